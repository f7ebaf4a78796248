"""A device that runs the compiled PTX on the CPU, so that whole learners are tested without a GPU.

Its memory is bounds-checked, and two threads that meet in one place without a barrier are an error.
"""

import contextlib

import numpy as np
import pytest

from support.problems import OF_MATRICES
from support.ptx_machine import Machine, Memory

pytest.importorskip("numba_cuda", reason="kernels for CUDA are compiled by numba-cuda")

from learnerdsl.runtime.arrays import device as device_arrays
from learnerdsl.runtime.cuda import backend
from learnerdsl.runtime.cuda.device import DeviceView

CAPABILITY = (9, 0)
MACHINES = {}
"""Kernel -> what runs it: kernels live as long as the process."""

FUNCTIONS_OF_MATRICES = sorted(OF_MATRICES)
"""Rules that need a library which the interpreter cannot be: tested in the simulator."""


class Place:
    """Some memory."""

    def __init__(self, address):
        self.address = address


class PtxDevice:
    """See `learnerdsl.runtime.cuda.device.Device`.

    Args:
        threads: of a block, a power of two.
        backwards: whether the last block runs first.
    """

    name = "PTX interpreter"
    capability = CAPABILITY

    def __init__(self, threads=64, backwards=False):
        self.memory = Memory()
        self.threads = threads
        self.backwards = backwards
        self.launched = []
        self.uploads = []
        self.graph = None

    def array(self, values, offset=0):
        """An array on this device, `offset` bytes behind an aligned address."""
        values = np.ascontiguousarray(values) if np.ndim(values) else np.asarray(values)
        address = self.memory.place(values, offset=offset)
        return DeviceView(self, None, address, values.shape, values.dtype)

    def allocate(self, nbytes):
        return Place(self.memory.place(np.zeros(max(nbytes, 1), np.uint8)))

    def bytes_at(self, address, nbytes):
        start = address - self.memory.base
        return self.memory.data[start : start + nbytes]

    def upload(self, address, array, stream):
        assert self.graph is None, "a copy from pageable memory cannot be captured"
        self.uploads.append(address)
        self.bytes_at(address, array.nbytes)[:] = np.frombuffer(array.tobytes(), np.uint8)

    def clear(self, address, nbytes, stream):
        self.bytes_at(address, nbytes)[:] = 0

    def lock(self, nbytes):
        assert self.graph is None, "no memory can be locked while a graph is captured"
        return np.zeros(nbytes, np.uint8)

    def upload_in_graph(self, address, locked, array, stream):
        assert not locked.any(), "each graph copies from memory of its own"
        locked[:] = np.frombuffer(array.tobytes(), np.uint8)

        def copy():
            self.bytes_at(address, locked.size)[:] = locked

        self.graph.append(copy)

    def download(self, array, address, stream):
        assert self.graph is None, "nothing can be waited for while a graph is captured"
        found = self.bytes_at(address, array.nbytes).tobytes()
        array[...] = np.frombuffer(found, array.dtype).reshape(array.shape)

    def copy(self, target, source, nbytes, stream):
        self.bytes_at(target, nbytes)[:] = self.bytes_at(source, nbytes).copy()

    def load(self, kernel):
        if kernel not in MACHINES:
            MACHINES[kernel] = Machine(kernel.ptx(CAPABILITY))
        return MACHINES[kernel]

    def launch(self, launch, stream):
        words, blocks = [int(word) for word in launch.words.values], launch.blocks
        order = range(blocks)[::-1] if self.backwards else range(blocks)

        def run():
            self.launched.append(launch.kernel.name)
            machine = launch.handle
            machine.launch(None, blocks, self.threads, words, self.memory, order=order)

        if blocks and self.graph is None:
            run()
        elif blocks:
            self.graph.append(run)

    def is_capturing(self, stream):
        return self.graph is not None

    @contextlib.contextmanager
    def capture(self):
        """What is started inside it is recorded instead of done."""
        self.graph = recorded = []
        yield recorded
        self.graph = None

    def activate(self):
        return contextlib.nullcontext()

    def synchronize(self):
        assert self.graph is None, "nothing can be waited for while a graph is captured"


@pytest.fixture
def device(monkeypatch):
    """A device that learners take for the one that their arrays are on."""
    return use(PtxDevice(), monkeypatch)


def use(device, monkeypatch):
    """Learners take this device for the one that their arrays are on."""
    monkeypatch.setattr(device_arrays, "ordinal_of", lambda address: 0)
    monkeypatch.setattr(backend, "device_number", lambda ordinal: device)
    return device
