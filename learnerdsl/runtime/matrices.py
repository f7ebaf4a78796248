"""Functions of whole matrices that generated code imports beside NumPy's own."""

import numpy as np


def inverse_root(a: np.ndarray, order: float) -> np.ndarray:
    """`a ** (-1/order)` of symmetric matrices, by their eigenvalues.

    Eigenvalues below the rounding error of the largest count as that.
    """
    roots, vectors = decomposed(a)
    largest = np.max(np.abs(roots), axis=-1, keepdims=True, initial=0)
    least = np.finfo(roots.dtype).eps * largest
    powers = np.maximum(roots, least) ** (-1.0 / order)
    return np.matmul(vectors * powers[..., None, :], np.swapaxes(vectors, -1, -2))


def eigenvectors(a: np.ndarray) -> np.ndarray:
    """The orthonormal eigenvectors of symmetric matrices as columns, largest eigenvalue first."""
    return decomposed(a)[1][..., ::-1]


def decomposed(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues in ascending order and eigenvectors; NaN of matrices that are not finite."""
    is_finite = np.asarray(np.isfinite(a).all((-2, -1)))
    if is_finite.all():
        roots, vectors = np.linalg.eigh(a)
        return roots, vectors
    roots, vectors = np.linalg.eigh(np.where(is_finite[..., None, None], a, 0))
    roots[~is_finite] = np.nan
    vectors[~is_finite] = np.nan
    return roots, vectors


def orthonormal(a: np.ndarray) -> np.ndarray:
    """Q of the QR decomposition."""
    return np.linalg.qr(a)[0]
