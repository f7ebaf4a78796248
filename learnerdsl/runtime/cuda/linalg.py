"""Matrix functions on a device, with PyTorch or CuPy.

Generated code calls them by NumPy's names.
"""

from functools import partial
from typing import Any

import numpy as np

from learnerdsl.codegen.naming import LINEAR_ALGEBRA
from learnerdsl.errors import LearnerError
from learnerdsl.interpret.matrices import narrow_product
from learnerdsl.kernels import linalg
from learnerdsl.kernels.simulator import SIMULATED
from learnerdsl.runtime.arrays.interop import matrix_library
from learnerdsl.runtime.torch_matrices import TorchMatrices


def namespace_for(array: Any, rule: str, products: str) -> Any:
    """Return the matrix functions for arrays of this library.

    Args:
        array: an array.
        rule: name of the rule, for error messages.
        products: how matrices are multiplied; see `Precision`.

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
    if products != "full" and library.__name__ != "torch":
        msg = (
            f"products={products!r} on a GPU needs arrays of PyTorch, since {library.__name__} has "
            "no such matrices; leave products out."
        )
        raise LearnerError(msg)
    return TorchMatrices(library) if library.__name__ == "torch" else CupyMatrices(library)


class NumpyMatrices:
    """NumPy's functions, for the simulator, whose device memory is host memory."""

    nan = np.nan

    def __getattr__(self, name: str) -> Any:
        return getattr(linalg if name in LINEAR_ALGEBRA else np, name)

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

    def narrow(self, a: Any) -> Any:
        """Return a matrix as it is: `product` rounds it."""
        return a

    def wide(self, a: Any) -> Any:
        """Return a matrix as it is: it has the dtype of the arithmetic."""
        return a

    def product(
        self,
        a: Any,
        b: Any,
        alpha: float = 1.0,
        c: Any = 0.0,
        beta: float = 0.0,
        is_symmetric: bool = False,
    ) -> Any:
        """Return alpha*A*B + beta*C of rounded matrices; see `TorchMatrices.product`."""
        del is_symmetric
        return narrow_product((a, b), alpha, c, beta)


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
        if name in LINEAR_ALGEBRA:
            return partial(getattr(linalg, name), xp=self.cupy)
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
