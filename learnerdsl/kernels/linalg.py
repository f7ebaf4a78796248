"""Matrix functions that generated code imports in addition to NumPy's own.

The argument `xp` is NumPy, or a library with NumPy's names.
"""

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
    diagonal = xp.diagonal(a, axis1=-2, axis2=-1)
    if is_finite.all() and xp.count_nonzero(a) == xp.count_nonzero(diagonal):
        return _of_diagonal(diagonal, xp)
    if is_finite.all():
        roots, vectors = xp.linalg.eigh(a)
        return roots, vectors
    roots, vectors = xp.linalg.eigh(xp.where(is_finite[..., None, None], a, 0))
    roots[~is_finite] = np.nan
    vectors[~is_finite] = np.nan
    return roots, vectors


def _of_diagonal(diagonal: Any, xp: Any) -> tuple[Any, Any]:
    """Return what `decomposed` does for diagonal matrices, by sorting: SOAP orders bases so."""
    order = xp.argsort(diagonal, axis=-1)
    places = xp.arange(diagonal.shape[-1])
    vectors = places[:, None] == order[..., None, :]
    return xp.take_along_axis(diagonal, order, axis=-1), vectors.astype(diagonal.dtype)


def orthonormal(a: Any, xp: Any = np) -> Any:
    """Return Q of the QR decomposition."""
    return xp.linalg.qr(a)[0]
