"""Functions of whole matrices that generated code imports beside NumPy's own."""

import numpy as np


def inverse_root(a: np.ndarray, order: float) -> np.ndarray:
    """`a ** (-1/order)` of symmetric matrices, by their eigenvalues.

    Eigenvalues below the rounding error of the largest count as that.
    """
    roots, vectors = np.linalg.eigh(a)
    least = np.finfo(roots.dtype).eps * np.max(np.abs(roots), axis=-1, keepdims=True)
    powers = np.maximum(roots, least) ** (-1.0 / order)
    return np.matmul(vectors * powers[..., None, :], np.swapaxes(vectors, -1, -2))


def eigenvectors(a: np.ndarray) -> np.ndarray:
    """The orthonormal eigenvectors of symmetric matrices as columns, largest eigenvalue first."""
    return np.linalg.eigh(a)[1][..., ::-1]


def orthonormal(a: np.ndarray) -> np.ndarray:
    """Q of the QR decomposition."""
    return np.linalg.qr(a)[0]
