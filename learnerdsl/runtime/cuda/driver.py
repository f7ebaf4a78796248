"""A GPU, used through NVIDIA's driver."""

import contextlib
import ctypes
import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.kernels.cuda_compile import CudaKernel
from learnerdsl.kernels.simulator import SIMULATED
from learnerdsl.runtime.cuda.device import Device, Launch, SimulatedDevice

STAGED = 1 << 16
"""Largest copy, in bytes, that the driver embeds in its command stream, so that nothing waits."""

MOST_PIECES = 32
"""Largest number of pieces in which an array is sent; larger arrays are not tables."""


class _DriverMemory:
    """Memory of a device or of the host; it is freed when nothing refers to this object."""

    def __init__(self, free: Callable[[int], Any], address: int) -> None:
        self._free = free
        self.address = address

    def __del__(self) -> None:
        # When Python exits, the driver may be gone already.
        with contextlib.suppress(Exception):
            self._free(self.address)


class DriverDevice:
    """A GPU, used through NVIDIA's driver; see `Device`.

    Args:
        ordinal: its number.
    """

    def __init__(self, ordinal: int) -> None:
        self._driver: Any = importlib.import_module("cuda.bindings.driver")
        self._call(self._driver.cuInit(0))
        device = self._call(self._driver.cuDeviceGet(ordinal))
        # torch, CuPy and Numba use the primary context, too.
        self._context = self._call(self._driver.cuDevicePrimaryCtxRetain(device))
        attribute = self._driver.CUdevice_attribute
        major, minor = (
            int(self._call(self._driver.cuDeviceGetAttribute(kind, device)))
            for kind in (
                attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            )
        )
        self.capability = (major, minor)
        self.name = _text(self._call(self._driver.cuDeviceGetName(128, device)))
        self._functions: dict[CudaKernel, tuple[Any, Any]] = {}

    def _call(self, result: tuple[Any, ...]) -> Any:
        """Return the results of a driver call, or raise with the driver's error message."""
        status, *values = result
        if int(status):
            _, name = self._driver.cuGetErrorName(status)
            _, text = self._driver.cuGetErrorString(status)
            msg = f"The CUDA driver answers {_text(name)}: {_text(text)}."
            raise LearnerError(msg)
        return values[0] if len(values) == 1 else values

    def activate(self) -> Any:
        """Return a context manager that makes this the current device."""
        return _Current(self)

    def allocate(self, nbytes: int) -> _DriverMemory:
        """Allocate zeroed memory."""
        with self.activate():
            address = int(self._call(self._driver.cuMemAlloc(max(nbytes, 1))))
            memory = _DriverMemory(self._driver.cuMemFree, address)
            self._call(self._driver.cuMemsetD8(address, 0, max(nbytes, 1)))
            # Wait, since any stream may use the memory first.
            self.synchronize()
        return memory

    def upload(self, address: int, array: np.ndarray, stream: int) -> None:
        """Copy to the device; the driver has read the array when this returns.

        For pageable memory, the driver may wait for the stream first, except for a few bytes. So
        tables are sent in small pieces.
        """
        source, nbytes = array.ctypes.data, array.nbytes
        piece = STAGED if nbytes <= MOST_PIECES * STAGED else nbytes
        for start in range(0, nbytes, max(piece, 1)):
            count = min(piece, nbytes - start)
            self._call(
                self._driver.cuMemcpyHtoDAsync(address + start, source + start, count, stream)
            )

    def clear(self, address: int, nbytes: int, stream: int) -> None:
        """Set bytes to zero."""
        if nbytes:
            self._call(self._driver.cuMemsetD8Async(address, 0, nbytes, stream))

    def lock(self, nbytes: int) -> _DriverMemory:
        """Allocate page-locked host memory for copies in a CUDA graph."""
        address = int(self._call(self._driver.cuMemAllocHost(max(nbytes, 1))))
        return _DriverMemory(self._driver.cuMemFreeHost, address)

    def upload_in_graph(self, address: int, locked: Any, array: np.ndarray, stream: int) -> None:
        """Record a copy through page-locked memory, which only this graph may use from now on."""
        ctypes.memmove(locked.address, array.ctypes.data, array.nbytes)
        self._call(self._driver.cuMemcpyHtoDAsync(address, locked.address, array.nbytes, stream))

    def download(self, array: np.ndarray, address: int, stream: int) -> None:
        """Copy from the device, and wait for it."""
        if array.nbytes:
            target = array.ctypes.data
            self._call(self._driver.cuMemcpyDtoHAsync(target, address, array.nbytes, stream))
            self._call(self._driver.cuStreamSynchronize(stream))

    def copy(self, target: int, source: int, nbytes: int, stream: int) -> None:
        """Copy within the device."""
        if nbytes:
            self._call(self._driver.cuMemcpyDtoDAsync(target, source, nbytes, stream))

    def load(self, kernel: CudaKernel) -> Any:
        """Load the kernel's machine code for this device; return its function."""
        if kernel not in self._functions:
            with self.activate():
                module = self._call(self._driver.cuModuleLoadData(kernel.cubin(self.capability)))
                name = kernel.name.encode()
                function = self._call(self._driver.cuModuleGetFunction(module, name))
            self._functions[kernel] = function, module
        return self._functions[kernel][0]

    def launch(self, launch: Launch, stream: int) -> None:
        """Start a kernel."""
        if launch.blocks:
            self._call(
                self._driver.cuLaunchKernel(
                    launch.handle,
                    *(launch.blocks, 1, 1),
                    *(launch.kernel.threads, 1, 1),
                    0,
                    stream,
                    launch.words.address,
                    0,
                )
            )

    def is_capturing(self, stream: int) -> bool:
        """Return whether a CUDA graph is being captured on the stream."""
        return int(self._call(self._driver.cuStreamIsCapturing(stream))) != 0

    def synchronize(self) -> None:
        """Wait until the device has done all work."""
        self._call(self._driver.cuCtxSynchronize())


class _Current:
    """Makes the context of a device current in this thread, and restores the previous one."""

    def __init__(self, device: DriverDevice) -> None:
        self.device = device
        self.before: Any = None

    def __enter__(self) -> None:
        driver = self.device._driver
        self.before = self.device._call(driver.cuCtxGetCurrent())
        if int(self.before) != int(self.device._context):
            self.device._call(driver.cuCtxSetCurrent(self.device._context))

    def __exit__(self, *error: object) -> None:
        if int(self.before) != int(self.device._context):
            self.device._call(self.device._driver.cuCtxSetCurrent(self.before))


@functools.lru_cache(maxsize=64)
def device_number(ordinal: int) -> Device:
    """Return the device with this number, or the simulator if it is enabled."""
    return SimulatedDevice() if SIMULATED else DriverDevice(ordinal)


def _text(value: Any) -> str:
    return value.split(b"\0")[0].decode() if isinstance(value, bytes) else str(value)
