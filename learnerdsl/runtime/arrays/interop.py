"""Other array libraries: their arrays, and those that have functions of whole matrices.

Arrays are recognised by their attributes, without importing a library: those of PyTorch, CuPy,
Numba and JAX have `__cuda_array_interface__`, others DLPack.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from learnerdsl.errors import ArrayError, DtypeError
from learnerdsl.storage import PARAMETER_TYPES, STORAGES

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
        return is_on_gpu(array)
    if hasattr(array, "__cuda_array_interface__") or is_simulated(array):
        return True
    kind = getattr(array, "__dlpack_device__", None)
    return kind is not None and kind()[0] in _CUDA_KINDS


def is_on_gpu(tensor: Any) -> bool:
    """Return whether a tensor of PyTorch is in the memory of a GPU."""
    return bool(tensor.is_cuda)


def is_simulated(array: Any) -> bool:
    """Return whether an array belongs to Numba's CUDA simulator."""
    return type(array).__name__ == "FakeCUDAArray"


def is_tensor(array: Any) -> bool:
    """Return whether an array is a tensor of PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def host_array(array: Any, what: str) -> Any:
    """Return a tensor of PyTorch as a NumPy array in the same memory; other arrays as they are.

    Args:
        array: an array of any library.
        what: what it is, for error messages.

    Raises:
        ArrayError: the tensor has no memory on the host that holds its values one by one.
        DtypeError: NumPy lacks its dtype.
    """
    if isinstance(array, np.ndarray) or not is_tensor(array):
        return array
    torch = sys.modules["torch"]
    fault = _fault_of(array, torch)
    if fault:
        msg = f"{what} {fault}."
        raise ArrayError(msg)
    plain = array.detach()
    if plain.dtype == torch.bfloat16:
        # PyTorch cannot pass on this type, but its bits.
        return plain.view(torch.int16).numpy().view(STORAGES["bfloat16"].numpy)
    try:
        return plain.numpy()
    except TypeError:
        listed = ", ".join(PARAMETER_TYPES)
        msg = f"{what} has dtype {array.dtype}, but must be one of {listed}."
        raise DtypeError(msg) from None


def _fault_of(tensor: Any, torch: ModuleType) -> str:
    """Return why NumPy cannot use the memory of a tensor, or an empty string."""
    if hasattr(tensor, "device_mesh"):
        return "is a DTensor, of which this process holds a part; use rule.torch(parameters)"
    if tensor.layout == torch.sparse_coo:
        return (
            "is a sparse tensor; as a gradient, pass RowSparse(indices, values, shape) of its "
            "coalesce(), whose indices()[0] and values() are on the host as .numpy()"
        )
    if tensor.layout != torch.strided:
        return f"has the layout {tensor.layout}; pass a dense tensor"
    if tensor.device.type != "cpu":
        return (
            f"is on the device {tensor.device} and not in the memory of the host; move "
            "the whole model to one device, and make the learner then"
        )
    if tensor.is_conj() or tensor.is_neg():
        return "is a lazy conjugate or negative; pass its resolve_conj().resolve_neg()"
    return ""


def as_tensor(array: np.ndarray) -> Any:
    """Return a tensor of PyTorch in the memory of a NumPy array."""
    # A thousand calls of import_module take a tenth of a second.
    torch: Any = sys.modules.get("torch") or importlib.import_module("torch")
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def tensor_dtype(name: str) -> Any:
    """Return PyTorch's dtype of a number type."""
    return getattr(sys.modules["torch"], name)


def dense_kinds() -> tuple[tuple[Any, ...], Any]:
    """Return the classes of plain tensors of PyTorch, and the layout of dense ones."""
    torch = sys.modules["torch"]
    return (torch.Tensor, torch.nn.Parameter), torch.strided


def version_counter(arrays: Iterable[Any]) -> Callable[[Sequence[int]], None] | None:
    """Return a function that tells autograd that the tensors among some arrays were written to.

    It takes the numbers of those that were not. Without it, autograd would not notice an update
    between a forward and its backward pass, and compute wrong gradients. Without tensors, return
    None.
    """
    own = {k: a for k, a in enumerate(arrays) if is_tensor(a) and not a.is_inference()}
    if not own:
        return None
    tensors = list(own.values())
    increment = sys.modules["torch"].autograd.graph.increment_version

    def count(absent: Sequence[int]) -> None:
        if not absent:
            increment(tensors)
            return
        left_out = set(absent)
        increment([a for k, a in own.items() if k not in left_out])

    return count


@contextmanager
def same_threads_in_torch() -> Iterator[None]:
    """Restore PyTorch's number of threads, which Numba sets if both use the same OpenMP."""
    torch = sys.modules.get("torch")
    count = torch.get_num_threads() if torch else 0
    yield
    if torch and torch.get_num_threads() != count:
        torch.set_num_threads(count)


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
    if library == "cupy":
        return sys.modules["cupy"].cuda.get_current_stream().ptr
    if library == "torch" or any(kind.__module__ == "torch" for kind in type(array).__mro__):
        return sys.modules["torch"].cuda.current_stream(device).cuda_stream
    return 0


def allocator_beside(array: Any) -> Callable[[tuple[int, ...], np.dtype[Any]], Any] | None:
    """Return a function that makes zeroed tensors on the device of a tensor of PyTorch.

    It takes a shape and a dtype of NumPy, and uses the memory that PyTorch manages. For arrays of
    other libraries, return None.
    """
    if not is_tensor(array):
        return None
    device = array.device

    def allocate(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        torch = sys.modules["torch"]
        return torch.zeros(shape, dtype=tensor_dtype(dtype.name), device=device)

    return allocate


def torch_if_installed() -> ModuleType | None:
    """Import PyTorch; return None if it is not installed."""
    return importlib.import_module("torch") if importlib.util.find_spec("torch") else None


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
