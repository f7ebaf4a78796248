"""Decompositions of matrices on the host, by PyTorch's LAPACK where a process has imported it.

NumPy computes the QR decomposition of float32 in float64, and has no solver for triangular systems.
PyTorch is never imported for this, and shares the memory of the arrays. The functions raise NumPy's
LinAlgError, as those of `numpy.linalg` do.
"""

import os
import sys
from typing import Any

import numpy as np

WORTH = 1 << 14
"""The least elements of a matrix that PyTorch decomposes faster than NumPy, calls included."""

_was_forked = False
"""Whether this process was forked. OpenMP's threads, which PyTorch may use, do not survive that."""


def _after_fork() -> None:
    """Leave the decompositions to NumPy in a child process."""
    global _was_forked
    _was_forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def torch_for(a: np.ndarray) -> Any:
    """Return the module `torch` if it should decompose these matrices, otherwise None."""
    if _was_forked or a.shape[-1] * a.shape[-2] < WORTH or not a.size:
        return None
    return sys.modules.get("torch")


def basis(a: np.ndarray) -> np.ndarray:
    """Return Q of the reduced QR decomposition of matrices (..., n, k)."""
    torch = torch_for(a)
    if torch is None:
        return np.linalg.qr(a)[0]
    reflectors, scales = torch.geqrf(_tensor(torch, a))
    reflectors = reflectors[..., : scales.shape[-1]]
    return torch.linalg.householder_product(reflectors, scales).numpy()


def eigh(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ascending eigenvalues (..., n) and eigenvectors of symmetric matrices."""
    torch = torch_for(a)
    if torch is not None:
        try:
            roots, vectors = torch.linalg.eigh(_tensor(torch, a))
            return roots.numpy(), vectors.numpy()
        except RuntimeError as error:  # it did not converge
            raise np.linalg.LinAlgError(str(error)) from None
    return np.linalg.eigh(a)


def inv(a: np.ndarray) -> np.ndarray:
    """Return inverses."""
    torch = torch_for(a)
    return np.linalg.inv(a) if torch is None else _checked(*torch.linalg.inv_ex(_tensor(torch, a)))


def cholesky(a: np.ndarray) -> np.ndarray:
    """Return lower triangular factors."""
    torch = torch_for(a)
    if torch is None:
        return np.linalg.cholesky(a)
    return _checked(*torch.linalg.cholesky_ex(_tensor(torch, a)))


def solve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the solutions X of A X = B."""
    torch = torch_for(a)
    if torch is None:
        return np.linalg.solve(a, b)
    return _checked(*torch.linalg.solve_ex(_tensor(torch, a), _tensor(torch, b)))


def solve_triangular(a: np.ndarray, b: np.ndarray, lower: bool) -> np.ndarray:
    """Return the solutions X of A X = B, where A is triangular."""
    torch = torch_for(a)
    if torch is None:
        return np.linalg.solve(a, b)
    if not np.diagonal(a, 0, -2, -1).all():
        raise np.linalg.LinAlgError("a triangular matrix has a 0 on its diagonal")
    tensors = _tensor(torch, a), _tensor(torch, b)
    return torch.linalg.solve_triangular(*tensors, upper=not lower).numpy()


def _tensor(torch: Any, a: np.ndarray) -> Any:
    """Return a tensor in the memory of an array, or of a copy where a tensor cannot have it."""
    is_plain = a.flags.writeable and all(stride >= 0 for stride in a.strides)
    return torch.from_numpy(a if is_plain else a.copy())


def _checked(result: Any, info: Any) -> np.ndarray:
    """Return a result as an array; raise LinAlgError if there is none for one of the matrices."""
    if info.any():
        raise np.linalg.LinAlgError("a matrix is singular or not positive definite")
    return result.numpy()
