"""Matrix functions that generated code imports in addition to NumPy's own.

The argument `xp` is NumPy, or a library with NumPy's names.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from learnerdsl.elementary import FUNCTIONS
from learnerdsl.kernels import lapack
from learnerdsl.kernels.random_matrices import distributed, words

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
        roots, vectors = _library(xp).eigh(a)
        return roots, vectors
    roots, vectors = _library(xp).eigh(xp.where(is_finite[..., None, None], a, 0))
    roots[~is_finite] = np.nan
    vectors[~is_finite] = np.nan
    return roots, vectors


def eigenvalues(a: Any, xp: Any = np) -> Any:
    """Return eigenvalues (..., n, 1), the largest first."""
    return decomposed(a, xp)[0][..., ::-1, None]


def orthonormal(a: Any, xp: Any = np) -> Any:
    """Return Q of the QR decomposition; columns after the first n are 0."""
    safe = _finite_or(a, 0, xp)
    basis = _library(xp).basis(safe)
    if a.shape[-1] > a.shape[-2]:
        basis = xp.concatenate([basis, xp.zeros_like(a[..., a.shape[-2] :])], axis=-1)
    return _known(basis, xp, a)


def inverse(a: Any, xp: Any = np) -> Any:
    """Return inverses; NaN for matrices that are singular or not finite."""
    return _each(_library(xp).inv, xp, a)


def cholesky(a: Any, xp: Any = np) -> Any:
    """Return lower triangular factors; NaN where a matrix is not positive definite or finite."""
    return _each(_library(xp).cholesky, xp, a)


def solve(a: Any, b: Any, xp: Any = np) -> Any:
    """Return the solutions X of A X = B; NaN where A is singular, or A or B not finite."""
    return _each(_library(xp).solve, xp, a, b)


def solve_triangular(a: Any, b: Any, lower: bool, xp: Any = np) -> Any:
    """Return the solutions X of A X = B, where A is triangular; see `solve`."""
    own = (xp.tril if lower else xp.triu)(a)
    return _each(partial(_library(xp).solve_triangular, lower=lower), xp, own, b)


def diagonal(a: Any, xp: Any = np) -> Any:
    """Return diagonals (..., n, 1)."""
    return xp.diagonal(a, 0, -2, -1)[..., None].copy()


def diagonal_matrix(v: Any, xp: Any = np) -> Any:
    """Return diagonal matrices of columns (..., n, 1)."""
    return xp.where(xp.eye(v.shape[-2], dtype=bool), v, xp.zeros_like(v))


def first_columns(a: Any, count: int, xp: Any = np) -> Any:
    """Return the first columns (..., n, count); those that there are not are 0."""
    more = count - a.shape[-1]
    if more > 0:
        a = xp.concatenate([a, xp.zeros((*a.shape[:-1], more), dtype=a.dtype)], axis=-1)
    return a[..., :count].copy()


def top_rows(scores: Any, count: int | None = None, xp: Any = np) -> Any:
    """Return the numbers (..., count, 1) of the largest scores (..., n, 1), the largest first.

    Without a count these are the numbers of all rows. The order of equal scores is that of the
    rows; NaN is larger than all.
    """
    # From the last to the first, so that what is turned around afterwards is still in order.
    turned = scores[..., ::-1, 0]
    order = xp.argsort(turned, axis=-1, kind="stable")[..., ::-1]
    return (scores.shape[-2] - 1 - order[..., :count, None]).astype(scores.dtype)


def take_rows(a: Any, indices: Any, xp: Any = np) -> Any:
    """Return rows (..., k, m) of matrices (..., n, m); NaN for those that there are not."""
    outer, (whole, numbers) = _stacked(xp, a, indices)
    rows, cols = a.shape[-2:]
    if not rows:
        return xp.full((*outer, indices.shape[-2], cols), np.nan, dtype=a.dtype)
    is_row = (numbers >= 0) & (numbers < rows)
    places = xp.where(is_row, numbers, 0)[..., 0].astype(np.int64)
    found = whole[xp.arange(len(whole))[:, None], places]
    if xp is not np or not is_row.all():  # a device would have to wait for this answer
        found = xp.where(is_row, found, xp.full_like(found, np.nan))
    return found.reshape(*outer, *found.shape[-2:])


def put_rows(a: Any, indices: Any, rows: Any, xp: Any = np) -> Any:
    """Return matrices with other rows; those for rows that there are not are left out."""
    outer, (whole, numbers, new) = _stacked(xp, a, indices, rows)
    count, cols = a.shape[-2:]
    found = xp.empty((len(whole), count + 1, cols), dtype=a.dtype)  # the last takes what is no row
    found[:, :count] = whole
    is_row = (numbers >= 0) & (numbers < count)
    places = xp.where(is_row, numbers, count)[..., 0].astype(np.int64)
    found[xp.arange(len(whole))[:, None], places] = new
    return found[:, :count].copy().reshape(*outer, count, cols)


def _stacked(xp: Any, *operands: Any) -> tuple[tuple[int, ...], list[Any]]:
    """Return the shape of a stack of matrices, and operands as stacks with one axis for it."""
    outer = np.broadcast_shapes(*(own.shape[:-2] for own in operands))
    wide = [xp.broadcast_to(own, (*outer, *own.shape[-2:])) for own in operands]
    return outer, [own.reshape(math.prod(outer), *own.shape[-2:]) for own in wide]


class _Decompositions:
    """The decompositions of a library with NumPy's names, under the names of `lapack`.

    Args:
        own: its namespace `linalg`.
    """

    def __init__(self, own: Any) -> None:
        self.eigh, self.inv, self.cholesky, self.solve = own.eigh, own.inv, own.cholesky, own.solve
        self.qr = own.qr

    def basis(self, a: Any) -> Any:
        """Return Q of the reduced QR decomposition."""
        return self.qr(a)[0]

    def solve_triangular(self, a: Any, b: Any, lower: bool) -> Any:
        """Return the solutions X of A X = B, where A is triangular."""
        del lower
        return self.solve(a, b)


def _library(xp: Any) -> Any:
    """Return what decomposes the matrices of a library, under the names of `lapack`."""
    return lapack if xp is np else _Decompositions(xp.linalg)


def _finite_or(a: Any, other: float, xp: Any) -> Any:
    """Return matrices, those that are not finite filled with a number."""
    is_finite = xp.isfinite(a).all((-2, -1), keepdims=True)
    if xp is np and is_finite.all():
        return a  # a device would have to wait for this answer
    return xp.where(is_finite, a, xp.full_like(a, other))


def _known(result: Any, xp: Any, *operands: Any) -> Any:
    """Return a result that is NaN where it, or an operand, is not finite."""
    is_known: Any = True
    for matrices in (*operands, result):
        is_known = is_known & xp.isfinite(matrices).all((-2, -1), keepdims=True)
    if xp is np and is_known.all():
        return result
    return xp.where(is_known, result, xp.full_like(result, np.nan))


def _each(function: Any, xp: Any, *operands: Any) -> Any:
    """Apply a function to stacks of matrices; NaN for those for which it raises."""
    safe = [_finite_or(operands[0], 0, xp), *operands[1:]]
    if 0 in operands[0].shape[-2:]:
        return xp.zeros_like(operands[-1])
    try:
        return _known(function(*safe), xp, *operands)
    except np.linalg.LinAlgError:
        if operands[0].ndim == 2:
            return xp.full_like(operands[-1], np.nan)
    stack = [_each(function, xp, *own) for own in zip(*operands, strict=True)]
    return xp.stack(stack)


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


def drawn(
    shape: Sequence[int],
    dtype: Any,
    kind: str,
    stream: int,
    seed: Any,
    step: Any,
    number: Any,
    xp: Any = np,
) -> Any:
    """Return a random matrix; see `random_matrices`."""
    position = xp.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    whole = (int(value) for value in (seed, step, number))
    random = words(position, stream, *whole)
    is_single = np.dtype(dtype).itemsize == 4
    return distributed(kind, random, is_single, _double, xp).astype(dtype)


def _double(values: Any) -> Any:
    return values.astype(np.float64)
