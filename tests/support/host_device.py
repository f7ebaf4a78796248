"""A device that runs PTX on the memory of the host: tensors of torch stand for those of a GPU.

The address of a tensor is its address on the device. What a GPU would do later is done at once.
"""

import contextlib
import ctypes
import functools

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from learnerdsl.runtime.arrays import interop
from learnerdsl.runtime.cuda import backend
from learnerdsl.runtime.cuda.device import DeviceView
from learnerdsl.runtime.torch_matrices import TorchMatrices
from learnerdsl.torch import members, replays
from support.ptx_device import Place, PtxDevice
from support.ptx_machine import Memory, MemoryFault
from support.ptx_module import Space

ALIGNMENT = 256
TOPS = range(1, 0x80)
SIZE = 1 << 40


class Window(Space):
    """All addresses with the same first bits, whether there is memory or not."""

    def __init__(self, base):
        super().__init__(base)
        content = (ctypes.c_uint8 * SIZE).from_address(base)
        self.data = np.frombuffer(content, np.uint8)

    def watch(self, unit):
        """Nothing is kept of who reads and writes: other tests look for races."""

    def check(self, offsets, width, line):
        if (offsets & (width - 1)).any():
            raise MemoryFault(f"not aligned to {width} bytes: {line}")


WINDOWS = {top: (Window(top << 40), top << 40) for top in TOPS}


class HostMemory(Memory):
    """The memory of this process."""

    def windows(self):
        return WINDOWS


class Recorder(TorchDispatchMode):
    """Records copies of tensors, as a CUDA graph does; other work of torch is an error.

    Args:
        graph: the list of what is recorded.
    """

    def __init__(self, graph):
        super().__init__()
        self.graph = graph

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.copy_.default:
            self.graph.append(functools.partial(func, *args, **(kwargs or {})))
            return args[0]
        assert func.is_view, f"{func} is not recorded"
        return func(*args, **(kwargs or {}))


class HostDevice(PtxDevice):
    """See `PtxDevice`; it counts what waits for it, and notes the streams of launches.

    Attributes:
        stream: number of the current stream.
        waits: how often the host has waited.
        streams: the stream of each launch.
        is_there: whether tensors are taken for those of this device.
    """

    def __init__(self, threads=32):
        super().__init__(threads)
        self.memory = HostMemory()
        self.stream = 7
        self.waits = 0
        self.streams = []
        self.is_there = True
        self.on_host = set()

    def allocate(self, nbytes):
        memory = np.zeros(nbytes + ALIGNMENT, np.uint8)
        start = memory.ctypes.data
        place = Place(start + -start % ALIGNMENT)
        place.memory = memory
        return place

    def bytes_at(self, address, nbytes):
        return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))

    def launch(self, launch, stream):
        self.streams.append(stream)
        words = [int(word) for word in launch.words.values]

        def run():
            self.launched.append(launch.kernel.name)
            machine = launch.handle
            machine.launch(None, launch.blocks, self.threads, words, self.memory, races=False)

        if launch.blocks and self.graph is None:
            run()
        elif launch.blocks:
            self.graph.append(run)

    def download(self, array, address, stream):
        self.waits += 1
        super().download(array, address, stream)

    def synchronize(self):
        self.waits += 1
        super().synchronize()

    @contextlib.contextmanager
    def capture(self):
        """What is started inside it is recorded instead of done, copies of torch too."""
        with super().capture() as recorded, Recorder(recorded):
            yield recorded

    def leave(self, *tensors):
        """These tensors stay in the memory of the host."""
        self.on_host |= {t.data_ptr() for t in tensors}

    def has(self, tensor):
        """Whether a tensor is taken for one of this device."""
        return self.is_there and tensor.data_ptr() not in self.on_host

    @contextlib.contextmanager
    def away(self):
        """Inside it, all tensors are in the memory of the host."""
        self.is_there = False
        yield
        self.is_there = True


def use(patch):
    """Take all tensors of torch to be on a device, which is returned; `patch` is a MonkeyPatch."""
    device = HostDevice()
    patch.setattr(interop, "is_on_gpu", device.has)
    patch.setattr(backend, "device_number", lambda ordinal: device)
    patch.setattr(backend, "stream_of", lambda array, ordinal: device.stream)
    patch.setattr(replays, "is_capturing", lambda: device.graph is not None)
    patch.setattr(members, "is_capturing", lambda: device.graph is not None)
    return device


@pytest.fixture
def gpu(monkeypatch):
    """A device that all tensors of torch are taken to be on."""
    return use(monkeypatch)


def use_matrices(patch):
    """Let functions of matrices take tensors of the host for those of a GPU."""
    plain = TorchMatrices.array

    def array(self, view):
        is_view = isinstance(view, DeviceView)
        return plain(self, torch.from_numpy(view.in_simulator()) if is_view else view)

    patch.setattr(TorchMatrices, "array", array)
    patch.setattr(TorchMatrices, "on_stream", lambda self, stream: torch.no_grad())


@pytest.fixture
def matrices(monkeypatch):
    """Functions of matrices take tensors of the host for those of a GPU."""
    use_matrices(monkeypatch)
