"""What an engine needs of a device: memory, streams and launches; and Numba's simulator as one.

Addresses are plain numbers. Everything but `download` returns before the device has done it: what
is launched and copied on one stream happens in order.
"""

import contextlib
import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from learnerdsl.kernels.cuda_compile import CudaKernel

ALIGNMENT = 256


class Words:
    """Arguments of launches: whole numbers of 64 bits that stay at one place in memory.

    Args:
        values: the numbers.
    """

    def __init__(self, values: Sequence[int]) -> None:
        self.values = np.array(values, np.int64)
        start = self.values.ctypes.data
        self.pointers = np.arange(start, start + 8 * len(values), 8, dtype=np.uint64)
        self.address = int(self.pointers.ctypes.data)


@dataclass(frozen=True)
class Launch:
    """A kernel, as it will be started again and again.

    Attributes:
        kernel: what runs.
        handle: what `Device.load` gave for it.
        blocks: of the grid; nothing is started where there are none.
        words: its arguments.
    """

    kernel: CudaKernel
    handle: Any
    blocks: int
    words: Words


class Device(Protocol):
    """What an engine needs of a device."""

    name: str

    def allocate(self, nbytes: int) -> Any:
        """Memory that is zero and stays as long as the object, whose `address` it is at."""
        ...

    def upload(self, address: int, array: np.ndarray, stream: int) -> None:
        """Copy a contiguous array to the device; it may change at once after that."""
        ...

    def clear(self, address: int, nbytes: int, stream: int) -> None:
        """Set bytes to zero."""
        ...

    def lock(self, nbytes: int) -> Any:
        """Memory of the host that a CUDA graph can copy from, as long as the object is there."""
        ...

    def upload_in_graph(self, address: int, locked: Any, array: np.ndarray, stream: int) -> None:
        """Record a copy, by way of locked memory that only this graph uses from now on."""
        ...

    def download(self, array: np.ndarray, address: int, stream: int) -> None:
        """Copy from the device into a contiguous array, and wait for that."""
        ...

    def copy(self, target: int, source: int, nbytes: int, stream: int) -> None:
        """Copy within the device."""
        ...

    def load(self, kernel: CudaKernel) -> Any:
        """Make a kernel ready."""
        ...

    def launch(self, launch: Launch, stream: int) -> None:
        """Start a kernel."""
        ...

    def is_capturing(self, stream: int) -> bool:
        """Whether what is started on the stream is recorded in a CUDA graph instead of done."""
        ...

    def activate(self) -> Any:
        """A context manager: what is called inside it is meant for this device."""
        ...

    def synchronize(self) -> None:
        """Wait until everything that was started is done."""
        ...


class DeviceView:
    """An array in the memory of a device, for any library that reads `__cuda_array_interface__`.

    `torch.as_tensor(view, device="cuda")`, `cupy.asarray(view)` and
    `numba.cuda.as_cuda_array(view)` make arrays of theirs from it without copying;
    `copy_to_host()` copies it into NumPy.
    """

    def __init__(
        self, device: Device, memory: Any, address: int, shape: tuple[int, ...], dtype: Any
    ) -> None:
        self._device = device
        self._memory = memory
        self.address = address
        self.shape = shape
        self.dtype = np.dtype(dtype)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The array as other libraries see it."""
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address if 0 not in self.shape else 0, False),
            "version": 3,
        }

    def copy_to_host(self) -> np.ndarray:
        """A copy in NumPy, when everything that was launched before is done."""
        array = np.empty(self.shape, self.dtype)
        if array.size:
            with self._device.activate():
                self._device.synchronize()
                self._device.download(array, self.address, 0)
        return array

    def in_simulator(self) -> np.ndarray:
        """The memory itself, where the device is the simulator."""
        kind = ctypes.c_char * (int(np.prod(self.shape)) * self.dtype.itemsize)
        memory: Any = kind.from_address(self.address)
        flat = np.frombuffer(memory, self.dtype)
        return flat.reshape(self.shape)

    def __repr__(self) -> str:
        return f"<DeviceView of shape {self.shape} and dtype {self.dtype} on {self._device.name}>"


class SimulatedDevice:
    """Numba's CUDA simulator, whose device memory is that of the host."""

    name = "CUDA simulator"

    def allocate(self, nbytes: int) -> Any:
        """Memory that is zero."""
        memory = np.zeros(nbytes + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        return _SimulatedMemory(memory, memory.ctypes.data + start)

    def upload(self, address: int, array: np.ndarray, stream: int) -> None:
        """Copy."""
        del stream
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def clear(self, address: int, nbytes: int, stream: int) -> None:
        """Set bytes to zero."""
        del stream
        ctypes.memset(address, 0, nbytes)

    def lock(self, nbytes: int) -> Any:
        """Nothing is captured in the simulator."""
        del nbytes

    def upload_in_graph(self, address: int, locked: Any, array: np.ndarray, stream: int) -> None:
        """Nothing is captured in the simulator."""
        raise NotImplementedError

    def download(self, array: np.ndarray, address: int, stream: int) -> None:
        """Copy."""
        del stream
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def copy(self, target: int, source: int, nbytes: int, stream: int) -> None:
        """Copy."""
        del stream
        ctypes.memmove(target, source, nbytes)

    def load(self, kernel: CudaKernel) -> Any:
        """The kernel of the simulator."""
        return kernel.simulated

    def launch(self, launch: Launch, stream: int) -> None:
        """Run a kernel."""
        del stream
        if launch.blocks:
            words = tuple(int(word) for word in launch.words.values)
            launch.handle[launch.blocks, launch.kernel.threads](words)

    def is_capturing(self, stream: int) -> bool:
        """Nothing is captured in the simulator."""
        del stream
        return False

    def activate(self) -> Any:
        """There is one device."""
        return contextlib.nullcontext()

    def synchronize(self) -> None:
        """Everything is done at once."""


@dataclass(frozen=True)
class _SimulatedMemory:
    memory: np.ndarray
    address: int
