"""The interface of a device (memory, streams, launches), and Numba's simulator behind it.

Addresses are plain numbers. Every call except `download` and `synchronize` returns before the
device has done the work; launches and copies on one stream run in order.
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
    """The arguments of a launch: 64-bit integers at a fixed address in memory.

    Args:
        values: the integers.
    """

    def __init__(self, values: Sequence[int]) -> None:
        self.values = np.array(values, np.int64)
        start = self.values.ctypes.data
        self.pointers = np.arange(start, start + 8 * len(values), 8, dtype=np.uint64)
        self.address = int(self.pointers.ctypes.data)


@dataclass(frozen=True)
class Launch:
    """A kernel with its grid and arguments, ready to be started repeatedly.

    Attributes:
        kernel: the kernel.
        handle: result of `Device.load` for it.
        blocks: number of blocks of the grid; if it is 0, nothing is started.
        words: the arguments.
    """

    kernel: CudaKernel
    handle: Any
    blocks: int
    words: Words


class Device(Protocol):
    """The operations of a device that an engine needs."""

    name: str

    def allocate(self, nbytes: int) -> Any:
        """Allocate zeroed memory at the `address` of the returned object, which owns it."""
        ...

    def upload(self, address: int, array: np.ndarray, stream: int) -> None:
        """Copy a contiguous array to the device; the caller may change it after the call."""
        ...

    def clear(self, address: int, nbytes: int, stream: int) -> None:
        """Set bytes to zero."""
        ...

    def lock(self, nbytes: int) -> Any:
        """Allocate page-locked host memory for copies in a CUDA graph."""
        ...

    def upload_in_graph(self, address: int, locked: Any, array: np.ndarray, stream: int) -> None:
        """Record a copy through page-locked memory, which only this graph may use from now on."""
        ...

    def download(self, array: np.ndarray, address: int, stream: int) -> None:
        """Copy from the device into a contiguous array, and wait for it."""
        ...

    def copy(self, target: int, source: int, nbytes: int, stream: int) -> None:
        """Copy within the device."""
        ...

    def load(self, kernel: CudaKernel) -> Any:
        """Load a kernel; return a handle for its launches."""
        ...

    def launch(self, launch: Launch, stream: int) -> None:
        """Start a kernel."""
        ...

    def is_capturing(self, stream: int) -> bool:
        """Return whether a CUDA graph is being captured on the stream."""
        ...

    def activate(self) -> Any:
        """Return a context manager that makes this the current device."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has done all work."""
        ...


class DeviceView:
    """An array in the memory of a device, for any library that reads `__cuda_array_interface__`.

    `torch.as_tensor(view, device="cuda")`, `cupy.asarray(view)` and
    `numba.cuda.as_cuda_array(view)` make arrays of theirs from it without copying;
    `copy_to_host()` copies it into NumPy. The interface has no bfloat16: elements of it are 2 bytes
    of any kind there ("<V2", as in PyTorch), which other libraries may refuse.
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
        """The description of the array that other libraries read."""
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address if 0 not in self.shape else 0, False),
            "version": 3,
        }

    def copy_to_host(self) -> np.ndarray:
        """Wait for all earlier work, then return a NumPy copy."""
        array = np.empty(self.shape, self.dtype)
        if array.size:
            with self._device.activate():
                self._device.synchronize()
                self._device.download(array, self.address, 0)
        return array

    def in_simulator(self) -> np.ndarray:
        """Return the memory as a NumPy array, if the device is the simulator."""
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
        """Allocate zeroed memory."""
        memory = np.zeros(nbytes + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        return _SimulatedMemory(memory, memory.ctypes.data + start)

    def upload(self, address: int, array: np.ndarray, stream: int) -> None:
        """Copy within the memory of the host."""
        del stream
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def clear(self, address: int, nbytes: int, stream: int) -> None:
        """Set bytes to zero."""
        del stream
        ctypes.memset(address, 0, nbytes)

    def lock(self, nbytes: int) -> Any:
        """Return nothing: the simulator has no CUDA graphs."""
        del nbytes

    def upload_in_graph(self, address: int, locked: Any, array: np.ndarray, stream: int) -> None:
        """Raise: the simulator has no CUDA graphs."""
        raise NotImplementedError

    def download(self, array: np.ndarray, address: int, stream: int) -> None:
        """Copy within the memory of the host."""
        del stream
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def copy(self, target: int, source: int, nbytes: int, stream: int) -> None:
        """Copy within the memory of the host."""
        del stream
        ctypes.memmove(target, source, nbytes)

    def load(self, kernel: CudaKernel) -> Any:
        """Return the simulator's kernel."""
        return kernel.simulated

    def launch(self, launch: Launch, stream: int) -> None:
        """Run a kernel."""
        del stream
        if launch.blocks:
            words = tuple(int(word) for word in launch.words.values)
            launch.handle[launch.blocks, launch.kernel.threads](words)

    def is_capturing(self, stream: int) -> bool:
        """Return false: the simulator has no CUDA graphs."""
        del stream
        return False

    def activate(self) -> Any:
        """Do nothing: there is one device."""
        return contextlib.nullcontext()

    def synchronize(self) -> None:
        """Do nothing: the simulator works synchronously."""


@dataclass(frozen=True)
class _SimulatedMemory:
    memory: np.ndarray
    address: int
