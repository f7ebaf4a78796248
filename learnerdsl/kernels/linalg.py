"""Matrix functions that generated code imports in addition to NumPy's own.

The argument `xp` is NumPy, or a library with NumPy's names.
"""

import math
from typing import Any

import numpy as np

from learnerdsl.elementary import FUNCTIONS

# Elementary functions that NumPy lacks.
globals().update(
    {
        f"array_{row.name}": row.of_arrays
        for row in FUNCTIONS
        if row.cpu and not isinstance(row.numpy, str)
    }
)


def inverse_root(a: Any, order: float, xp: Any = np) -> Any:
    """Return `a ** (-1/order)` of symmetric matrices (..., n, n), from their eigenvalues.

    Eigenvalues below the rounding error of the largest one are raised to it.
    """
    roots, vectors = decomposed(a, xp)
    largest = xp.max(xp.abs(roots), axis=-1, keepdims=True, initial=0)
    least = np.finfo(roots.dtype).eps * largest
    powers = xp.maximum(roots, least) ** (-1.0 / order)
    return xp.matmul(vectors * powers[..., None, :], xp.swapaxes(vectors, -1, -2))


def eigenvectors(a: Any, xp: Any = np) -> Any:
    """Return orthonormal eigenvectors (..., n, n) as columns, largest eigenvalue first."""
    return decomposed(a, xp)[1][..., ::-1]


def decomposed(a: Any, xp: Any = np) -> tuple[Any, Any]:
    """Return ascending eigenvalues (..., n) and eigenvectors; NaN if a matrix is not finite."""
    is_finite = xp.asarray(xp.isfinite(a).all((-2, -1)))
    if is_finite.all():
        roots, vectors = xp.linalg.eigh(a)
        return roots, vectors
    roots, vectors = xp.linalg.eigh(xp.where(is_finite[..., None, None], a, 0))
    roots[~is_finite] = np.nan
    vectors[~is_finite] = np.nan
    return roots, vectors


def orthonormal(a: Any, xp: Any = np) -> Any:
    """Return Q of the QR decomposition."""
    return xp.linalg.qr(a)[0]


def reduced(a: Any, kind: str, axes: tuple[int, ...] | None, xp: Any = np) -> Any:
    """Return a reduction of matrices, which keeps the axes; see `MatrixReduction`.

    Sums are in float64, the result has the dtype of the matrices.
    """
    over = tuple(range(-a.ndim, 0)) if axes is None else axes
    count = math.prod(a.shape[axis] for axis in over)
    if kind in ("max", "min") and not count:
        shape = [1 if axis in over else a.shape[axis] for axis in range(-a.ndim, 0)]
        return xp.full(shape, -np.inf if kind == "max" else np.inf, dtype=a.dtype)
    if kind in ("max", "min"):
        return getattr(xp, kind)(a, axis=over, keepdims=True)
    if kind == "prod":
        return xp.prod(a, axis=over, dtype=np.float64, keepdims=True).astype(a.dtype)
    values = xp.square(a.astype(np.float64)) if kind == "norm" else a
    total = xp.sum(values, axis=over, dtype=np.float64, keepdims=True)
    if kind == "norm":
        total = xp.sqrt(total)
    return (total / np.float64(count) if kind == "mean" else total).astype(a.dtype)
