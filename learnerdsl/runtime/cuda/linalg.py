"""Functions of whole matrices on a device, by a library that has them: PyTorch or CuPy.

Generated code calls them by NumPy's names. None of the libraries is imported but the one that the
arrays are of, or that is installed.
"""

import contextlib
import importlib
import importlib.util
from typing import Any

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.kernels import linalg
from learnerdsl.kernels.simulator import SIMULATED
from learnerdsl.runtime.arrays.interop import library_of

LIBRARIES = ("torch", "cupy")


def namespace_for(array: Any, rule: str) -> Any:
    """The functions for matrices like this array.

    Raises:
        LearnerError: no library with such functions is installed.
    """
    if SIMULATED:
        return NumpyMatrices()
    own = library_of(array)
    for name in (own, *LIBRARIES) if own in LIBRARIES else LIBRARIES:
        if importlib.util.find_spec(name):
            library = importlib.import_module(name)
            return TorchMatrices(library) if name == "torch" else CupyMatrices(library)
    msg = (
        f"{rule} works on whole matrices, for which a GPU needs PyTorch or CuPy; install one of "
        "them, or use backend='cpu'."
    )
    raise LearnerError(msg)


class NumpyMatrices:
    """NumPy, for the simulator, whose device memory is that of the host."""

    nan = np.nan

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def scalar(self, value: Any) -> float:
        """A scalar, which takes the number type of the matrices it meets."""
        return float(value)

    def array(self, view: Any) -> np.ndarray:
        """The array that a view of the device shows."""
        return view.in_simulator()

    def on_stream(self, stream: int) -> Any:
        """What is called inside it works on this stream."""
        del stream
        return np.errstate(all="ignore")

    def inverse_root(self, a: Any, order: float) -> Any:
        """`a ** (-1/order)` of symmetric matrices."""
        return linalg.inverse_root(a, order)

    def eigenvectors(self, a: Any) -> Any:
        """The orthonormal eigenvectors of symmetric matrices, largest eigenvalue first."""
        return linalg.eigenvectors(a)

    def orthonormal(self, a: Any) -> Any:
        """Q of the QR decomposition."""
        return linalg.orthonormal(a)


class TorchMatrices:
    """PyTorch's functions under NumPy's names.

    Args:
        torch: the module.
    """

    nan = np.nan

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.like: Any = None

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.torch, {"arccos": "acos", "arcsin": "asin"}.get(name, name))
        return lambda *values: function(*map(self.tensor, values))

    def tensor(self, value: Any) -> Any:
        """A value as a tensor; numbers become one of no axes, which takes the type of others."""
        if isinstance(value, (int, float)):
            # Filled on the device: a copy from the host would wait.
            kind = {"dtype": self.like.dtype, "device": self.like.device}
            return self.torch.full((), value, **kind)
        return value

    def scalar(self, value: Any) -> Any:
        """A scalar, which takes the number type of the matrices it meets."""
        return value if isinstance(value, self.torch.Tensor) else float(value)

    def array(self, view: Any) -> Any:
        """A tensor over the memory of a view of the device, or of a tensor."""
        tensor = view.detach() if isinstance(view, self.torch.Tensor) else None
        if tensor is None:
            device = "cuda" if self.like is None else self.like.device
            tensor = self.torch.as_tensor(view, device=device)
        self.like = tensor if self.like is None else self.like
        return tensor

    def on_stream(self, stream: int) -> Any:
        """What is called inside it works on this stream, and records no gradients."""
        cuda = self.torch.cuda
        device = self.like.device
        own = cuda.ExternalStream(stream, device) if stream else cuda.default_stream(device)
        stack = contextlib.ExitStack()
        stack.enter_context(self.torch.no_grad())
        stack.enter_context(cuda.stream(own))
        return stack

    def copy(self, a: Any) -> Any:
        """A copy."""
        return a.clone()

    def eye(self, size: int, dtype: Any) -> Any:
        """The identity matrix."""
        return self.torch.eye(size, dtype=dtype, device=self.like.device)

    def swapaxes(self, a: Any, first: int, second: int) -> Any:
        """The matrix with two axes exchanged."""
        return self.torch.swapaxes(a, first, second)

    def decomposed(self, a: Any) -> tuple[Any, Any]:
        """Eigenvalues in ascending order and eigenvectors; NaN of matrices that are not finite."""
        is_finite = self.torch.isfinite(a).all(-1).all(-1)
        safe = self.torch.where(is_finite[..., None, None], a, self.torch.zeros_like(a))
        roots, vectors = self.torch.linalg.eigh(safe)
        nan = self.tensor(float("nan"))
        roots = self.torch.where(is_finite[..., None], roots, nan)
        return roots, self.torch.where(is_finite[..., None, None], vectors, nan)

    def inverse_root(self, a: Any, order: float) -> Any:
        """`a ** (-1/order)` of symmetric matrices, by their eigenvalues, as on the CPU."""
        roots, vectors = self.decomposed(a)
        largest = roots.abs().amax(-1, keepdim=True) if roots.numel() else roots
        least = self.torch.finfo(roots.dtype).eps * largest
        powers = self.torch.maximum(roots, least) ** (-1.0 / order)
        return self.torch.matmul(vectors * powers[..., None, :], vectors.mT)

    def eigenvectors(self, a: Any) -> Any:
        """The orthonormal eigenvectors of symmetric matrices, largest eigenvalue first."""
        return self.decomposed(a)[1].flip(-1)

    def orthonormal(self, a: Any) -> Any:
        """Q of the QR decomposition."""
        return self.torch.linalg.qr(a)[0]


class CupyMatrices:
    """CuPy, which has NumPy's names.

    Args:
        cupy: the module.
    """

    nan = np.nan

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self.dtype: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cupy, name)

    def scalar(self, value: Any) -> Any:
        """A scalar of the type of the matrices: CuPy's arrays of no axes would widen them."""
        return value.astype(self.dtype) if isinstance(value, self.cupy.ndarray) else float(value)

    def array(self, view: Any) -> Any:
        """An array over the memory of a view of the device."""
        array = self.cupy.asarray(view)
        self.dtype = array.dtype if self.dtype is None else self.dtype
        return array

    def on_stream(self, stream: int) -> Any:
        """What is called inside it works on this stream."""
        return self.cupy.cuda.ExternalStream(stream)

    def inverse_root(self, a: Any, order: float) -> Any:
        """`a ** (-1/order)` of symmetric matrices, by their eigenvalues, as on the CPU."""
        return linalg.inverse_root(a, order, self.cupy)

    def eigenvectors(self, a: Any) -> Any:
        """The orthonormal eigenvectors of symmetric matrices, largest eigenvalue first."""
        return linalg.eigenvectors(a, self.cupy)

    def orthonormal(self, a: Any) -> Any:
        """Q of the QR decomposition."""
        return linalg.orthonormal(a, self.cupy)
