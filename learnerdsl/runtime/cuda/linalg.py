"""Matrix functions on a device, with PyTorch or CuPy.

Generated code calls them by NumPy's names.
"""

import contextlib
from typing import Any

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.kernels import linalg
from learnerdsl.kernels.simulator import SIMULATED
from learnerdsl.runtime.arrays.interop import matrix_library


def namespace_for(array: Any, rule: str) -> Any:
    """Return the matrix functions for arrays of this library.

    Raises:
        LearnerError: no library with such functions is installed.
    """
    if SIMULATED:
        return NumpyMatrices()
    library = matrix_library(array)
    if library is None:
        msg = (
            f"{rule} works on whole matrices, which on a GPU needs PyTorch or CuPy; install one of "
            "them, or use backend='cpu'."
        )
        raise LearnerError(msg)
    return TorchMatrices(library) if library.__name__ == "torch" else CupyMatrices(library)


class NumpyMatrices:
    """NumPy's functions, for the simulator, whose device memory is host memory."""

    nan = np.nan

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def scalar(self, value: Any) -> float:
        """Convert a scalar so that it takes the dtype of the matrices that it is combined with."""
        return float(value)

    def array(self, view: Any) -> np.ndarray:
        """Convert a `DeviceView` to an array in the same memory."""
        return view.in_simulator()

    def on_stream(self, stream: int) -> Any:
        """Return a context manager whose body works on this stream."""
        del stream
        return np.errstate(all="ignore")

    def inverse_root(self, a: Any, order: float) -> Any:
        """Return `a ** (-1/order)` of symmetric matrices (..., n, n)."""
        return linalg.inverse_root(a, order)

    def eigenvectors(self, a: Any) -> Any:
        """Return the orthonormal eigenvectors (..., n, n), largest eigenvalue first."""
        return linalg.eigenvectors(a)

    def orthonormal(self, a: Any) -> Any:
        """Return Q of the QR decomposition."""
        return linalg.orthonormal(a)


class TorchMatrices:
    """PyTorch's functions under NumPy's names.

    Args:
        torch: the module `torch`.
    """

    nan = np.nan

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.like: Any = None

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.torch, {"arccos": "acos", "arcsin": "asin"}.get(name, name))
        return lambda *values: function(*map(self.tensor, values))

    def tensor(self, value: Any) -> Any:
        """Convert a number to a tensor without axes, which does not change other dtypes."""
        if isinstance(value, (int, float)):
            # Fill it on the device, since a copy from the host would wait.
            kind = {"dtype": self.like.dtype, "device": self.like.device}
            return self.torch.full((), value, **kind)
        return value

    def scalar(self, value: Any) -> Any:
        """Convert a scalar so that it takes the dtype of the matrices that it is combined with."""
        return value if isinstance(value, self.torch.Tensor) else float(value)

    def array(self, view: Any) -> Any:
        """Convert a `DeviceView` or a tensor to a tensor in the same memory."""
        tensor = view.detach() if isinstance(view, self.torch.Tensor) else None
        if tensor is None:
            device = "cuda" if self.like is None else self.like.device
            tensor = self.torch.as_tensor(view, device=device)
        self.like = tensor if self.like is None else self.like
        return tensor

    def on_stream(self, stream: int) -> Any:
        """Return a context manager whose body works on this stream and records no gradients."""
        cuda = self.torch.cuda
        device = self.like.device
        own = cuda.ExternalStream(stream, device) if stream else cuda.default_stream(device)
        stack = contextlib.ExitStack()
        stack.enter_context(self.torch.no_grad())
        stack.enter_context(cuda.stream(own))
        return stack

    def copy(self, a: Any) -> Any:
        """Return a copy."""
        return a.clone()

    def eye(self, size: int, dtype: Any) -> Any:
        """Return the identity matrix (size, size)."""
        return self.torch.eye(size, dtype=dtype, device=self.like.device)

    def swapaxes(self, a: Any, first: int, second: int) -> Any:
        """Exchange two axes."""
        return self.torch.swapaxes(a, first, second)

    def decomposed(self, a: Any) -> tuple[Any, Any]:
        """Return ascending eigenvalues and eigenvectors; NaN if a matrix is not finite."""
        is_finite = self.torch.isfinite(a).all(-1).all(-1)
        safe = self.torch.where(is_finite[..., None, None], a, self.torch.zeros_like(a))
        roots, vectors = self.torch.linalg.eigh(safe)
        nan = self.tensor(float("nan"))
        roots = self.torch.where(is_finite[..., None], roots, nan)
        return roots, self.torch.where(is_finite[..., None, None], vectors, nan)

    def inverse_root(self, a: Any, order: float) -> Any:
        """Return `a ** (-1/order)` of symmetric matrices (..., n, n), from their eigenvalues."""
        roots, vectors = self.decomposed(a)
        largest = roots.abs().amax(-1, keepdim=True) if roots.numel() else roots
        least = self.torch.finfo(roots.dtype).eps * largest
        powers = self.torch.maximum(roots, least) ** (-1.0 / order)
        return self.torch.matmul(vectors * powers[..., None, :], vectors.mT)

    def eigenvectors(self, a: Any) -> Any:
        """Return the orthonormal eigenvectors (..., n, n), largest eigenvalue first."""
        return self.decomposed(a)[1].flip(-1)

    def orthonormal(self, a: Any) -> Any:
        """Return Q of the QR decomposition."""
        return self.torch.linalg.qr(a)[0]


class CupyMatrices:
    """CuPy's functions, which have NumPy's names.

    Args:
        cupy: the module `cupy`.
    """

    nan = np.nan

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self.dtype: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cupy, name)

    def scalar(self, value: Any) -> Any:
        """Convert a scalar to the matrices' dtype: a CuPy array without axes would widen them."""
        return value.astype(self.dtype) if isinstance(value, self.cupy.ndarray) else float(value)

    def array(self, view: Any) -> Any:
        """Convert a `DeviceView` to an array in the same memory."""
        array = self.cupy.asarray(view)
        self.dtype = array.dtype if self.dtype is None else self.dtype
        return array

    def on_stream(self, stream: int) -> Any:
        """Return a context manager whose body works on this stream."""
        return self.cupy.cuda.ExternalStream(stream)

    def inverse_root(self, a: Any, order: float) -> Any:
        """Return `a ** (-1/order)` of symmetric matrices (..., n, n), from their eigenvalues."""
        return linalg.inverse_root(a, order, self.cupy)

    def eigenvectors(self, a: Any) -> Any:
        """Return the orthonormal eigenvectors (..., n, n), largest eigenvalue first."""
        return linalg.eigenvectors(a, self.cupy)

    def orthonormal(self, a: Any) -> Any:
        """Return Q of the QR decomposition."""
        return linalg.orthonormal(a, self.cupy)
