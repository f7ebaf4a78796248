"""Arrays of other libraries, known by what they offer: none of the libraries is imported.

PyTorch, CuPy, Numba and JAX speak `__cuda_array_interface__`, others DLPack.
"""

import sys
from typing import Any

import numpy as np

_CUDA_KINDS = (2, 13)
"""Numbers that DLPack has for memory of a CUDA device, and for managed memory."""


def library_of(array: Any) -> str:
    """The name of the library that an array is of."""
    return type(array).__module__.partition(".")[0]


def is_on_device(array: Any) -> bool:
    """Whether an array is in the memory of a CUDA device."""
    if isinstance(array, np.ndarray):
        return False
    if hasattr(array, "data_ptr"):
        return bool(array.is_cuda)
    if hasattr(array, "__cuda_array_interface__") or is_simulated(array):
        return True
    kind = getattr(array, "__dlpack_device__", None)
    return kind is not None and kind()[0] in _CUDA_KINDS


def is_simulated(array: Any) -> bool:
    """Whether an array is one of Numba's CUDA simulator."""
    return type(array).__name__ == "FakeCUDAArray"


def copy_to_host(array: Any) -> np.ndarray:
    """The values of an array of any library in NumPy."""
    if hasattr(array, "copy_to_host"):
        return array.copy_to_host()
    if hasattr(array, "detach"):
        return array.detach().cpu().numpy()
    if library_of(array) == "cupy":
        return array.get()
    return np.asarray(array)


def stream_of(array: Any, device: int) -> int:
    """The stream on which the library of an array is working at present; 0 is the default one."""
    library = library_of(array)
    if library == "torch":
        return sys.modules["torch"].cuda.current_stream(device).cuda_stream
    if library == "cupy":
        return sys.modules["cupy"].cuda.get_current_stream().ptr
    return 0
