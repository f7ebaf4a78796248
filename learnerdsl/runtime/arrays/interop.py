"""Other array libraries: their arrays, and those that have functions of whole matrices.

Arrays are recognised by their attributes, without importing a library: those of PyTorch, CuPy,
Numba and JAX have `__cuda_array_interface__`, others DLPack.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np

from learnerdsl.storage import STORAGES

_CUDA_KINDS = (2, 13)
"""Device types of DLPack: CUDA memory and CUDA managed memory."""

MATRIX_LIBRARIES = ("torch", "cupy")
"""Libraries with functions of whole matrices on a device."""


def library_of(array: Any) -> str:
    """Return the name of the library that defines the array's class."""
    return type(array).__module__.partition(".")[0]


def is_on_device(array: Any) -> bool:
    """Return whether an array is in the memory of a CUDA device."""
    if isinstance(array, np.ndarray):
        return False
    if hasattr(array, "data_ptr"):
        return bool(array.is_cuda)
    if hasattr(array, "__cuda_array_interface__") or is_simulated(array):
        return True
    kind = getattr(array, "__dlpack_device__", None)
    return kind is not None and kind()[0] in _CUDA_KINDS


def is_simulated(array: Any) -> bool:
    """Return whether an array belongs to Numba's CUDA simulator."""
    return type(array).__name__ == "FakeCUDAArray"


def copy_to_host(array: Any) -> np.ndarray:
    """Return the values of an array of any library as a NumPy array."""
    if hasattr(array, "copy_to_host"):
        return array.copy_to_host()
    if hasattr(array, "detach"):
        tensor = array.detach().cpu()
        if str(tensor.dtype) != "torch.bfloat16":
            return tensor.numpy()
        # PyTorch cannot pass on this type, but its bits.
        return tensor.view(sys.modules["torch"].int16).numpy().view(STORAGES["bfloat16"].numpy)
    if library_of(array) == "cupy":
        return array.get()
    return np.asarray(array)


def converted(array: Any, dtype: str) -> Any:
    """Return a copy of an array on a device with another number type; None if nothing makes one."""
    library = library_of(array)
    if library == "torch":
        return array.detach().to(getattr(sys.modules["torch"], dtype))
    if library == "cupy":
        return array.astype(dtype)
    if is_simulated(array):
        return type(array)(array._ary.astype(STORAGES[dtype].numpy))
    return None


def stream_of(array: Any, device: int) -> int:
    """Return the current stream of the array's library; 0 is the default stream."""
    library = library_of(array)
    if library == "torch":
        return sys.modules["torch"].cuda.current_stream(device).cuda_stream
    if library == "cupy":
        return sys.modules["cupy"].cuda.get_current_stream().ptr
    return 0


def matrix_library(array: Any) -> ModuleType | None:
    """Import one of `MATRIX_LIBRARIES`; return None if none is installed.

    It is the array's own library if that is one of them, else the first one that is installed. No
    other is imported, as that takes seconds.
    """
    own = library_of(array)
    names = (own, *MATRIX_LIBRARIES) if own in MATRIX_LIBRARIES else MATRIX_LIBRARIES
    for name in names:
        if importlib.util.find_spec(name):
            return importlib.import_module(name)
    return None
