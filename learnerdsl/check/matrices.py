"""Compute functions of whole matrices on values, with numpy.linalg."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from learnerdsl.check import reductions
from learnerdsl.check.context import running_now
from learnerdsl.check.values import WIDE, Value, as_value, cast, precision
from learnerdsl.expr import Sides, length
from learnerdsl.tracing import Orientation

_TRIALS = 3


def matmul(a: Any, b: Any) -> Value:
    """Return the matrix product."""
    x, y = _matrix(a), _matrix(b)
    kind = precision.get()
    sizes = np.abs(x.number), np.abs(y.number)
    with np.errstate(all="ignore"):
        number = np.matmul(x.number, y.number)
        count = x.number.shape[-1] + 2
        bound = np.matmul(sizes[0], y.bound) + np.matmul(x.bound, sizes[1] + y.bound)
        bound = bound + count * (kind.unit * np.matmul(*sizes) + kind.least)
        uncertain = ~np.isfinite(bound) | (np.abs(number) > kind.largest)
    return _result(number, np.where(uncertain, np.inf, bound), x, y)


def transpose(a: Any) -> Value:
    """Swap the last two axes."""
    x = _matrix(a)
    return _result(np.swapaxes(x.number, -1, -2), np.swapaxes(x.bound, -1, -2), x)


def identity(kind: str | int) -> Value:
    """Return the identity matrix of the rows or the columns of the parameter."""
    shape = running_now("identity(...)").shape
    result = Value(np.eye(length(kind, shape)), is_array=True)
    result.is_matrix = True
    return result


def inverse_root(a: Any, order: Any) -> Value:
    """Return a power of a symmetric matrix, from its eigenvalues."""
    power = -1.0 / float(as_value(order).number)
    least = float(np.finfo(precision.get().dtype).eps)

    def function(matrix: np.ndarray) -> np.ndarray:
        if 0 in matrix.shape:
            return matrix
        roots, vectors = np.linalg.eigh(matrix)
        floor = least * np.max(np.abs(roots), -1, keepdims=True)
        powers = np.maximum(roots, floor) ** power
        return np.matmul(vectors * powers[..., None, :], np.swapaxes(vectors, -1, -2))

    return _by_trial(function, a)


def eigenvectors(a: Any) -> Value:
    """Return the orthonormal eigenvectors as columns, largest eigenvalue first."""
    return _by_trial(lambda matrix: np.flip(np.linalg.eigh(matrix)[1], (-1,)), a)


def eigenvalues(a: Any) -> Value:
    """Return the eigenvalues as a column, the largest first."""
    return _by_trial(lambda matrix: np.flip(np.linalg.eigvalsh(matrix), (-1,))[..., None], a)


def orthonormal(a: Any) -> Value:
    """Return Q of the QR decomposition; columns that are too many are 0."""

    def function(matrix: np.ndarray) -> np.ndarray:
        basis = np.zeros(matrix.shape)
        basis[..., : min(matrix.shape[-2:])] = np.linalg.qr(matrix)[0]
        return basis

    return _by_trial(function, a, is_symmetric=False)


def inverse(a: Any) -> Value:
    """Return the inverse, NaN where there is none."""
    return _by_trial(partial(_one_by_one, np.linalg.inv), a, is_symmetric=False)


def cholesky(a: Any) -> Value:
    """Return the lower triangular factor, NaN where there is none."""
    return _by_trial(partial(_one_by_one, np.linalg.cholesky), a)


def solve(a: Any, b: Any) -> Value:
    """Return the solution of equations, NaN where there is none."""
    return _by_trial(partial(_one_by_one, np.linalg.solve), a, b, is_symmetric=False)


def solve_triangular(a: Any, b: Any, lower: bool = True) -> Value:
    """Return the solution of triangular equations, NaN where there is none."""

    def function(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
        triangle = np.tril(matrix) if lower else np.triu(matrix)
        return _one_by_one(np.linalg.solve, triangle, right)

    return _by_trial(function, a, b, is_symmetric=False)


def diagonal(a: Any) -> Value:
    """Return the diagonal as a column."""
    x = _matrix(a)
    number, bound = (np.diagonal(v, 0, -2, -1)[..., None] for v in (x.number, x.bound))
    return _result(number, bound, x)


def diagonal_matrix(v: Any) -> Value:
    """Return a diagonal matrix."""
    x = _matrix(v)
    is_on = np.eye(x.number.shape[-2], dtype=bool)
    return _result(np.where(is_on, x.number, 0), np.where(is_on, x.bound, 0), x)


def tril(a: Any) -> Value:
    """Return the lower triangle."""
    x = _matrix(a)
    return _result(np.tril(x.number), np.tril(x.bound), x)


def triu(a: Any) -> Value:
    """Return the upper triangle."""
    x = _matrix(a)
    return _result(np.triu(x.number), np.triu(x.bound), x)


def first_columns(a: Any, count: int) -> Value:
    """Return the first columns; those that there are not are 0."""
    x = _matrix(a)
    more = max(0, count - x.number.shape[-1])
    widths = [(0, 0)] * (x.number.ndim - 1) + [(0, more)]
    number, bound = (np.pad(v, widths)[..., :count] for v in (x.number, x.bound))
    return _result(number, bound, x)


def top_rows(scores: Any, count: int | None = None) -> Value:
    """Return the numbers of the largest scores; the bound is infinite where rounding decides."""
    x = _matrix(scores)
    number, bound = x.number[..., 0], x.bound[..., 0]
    turned = np.argsort(number[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    order = number.shape[-1] - 1 - turned
    size, reach = (np.take_along_axis(v, order, -1) for v in (number, bound))
    reach = reach[..., :-1] + reach[..., 1:]
    with np.errstate(all="ignore"):
        may_swap = (reach > 0) & ~(size[..., :-1] - size[..., 1:] > reach)
    edge = np.zeros((*order.shape[:-1], 1), bool)
    is_doubtful = np.concatenate([may_swap, edge], -1) | np.concatenate([edge, may_swap], -1)
    chosen, doubtful = (v[..., :count, None] for v in (order, is_doubtful))
    return _result(chosen.astype(WIDE), np.where(doubtful, np.inf, 0.0), x)


def take_rows(a: Any, indices: Any) -> Value:
    """Return rows of a matrix, NaN for those that there are not."""
    x, chosen = _matrix(a), _matrix(indices)
    places, wholes = _with_places(x, chosen)
    number, bound = (np.take_along_axis(whole, places, -2) for whole in wholes)
    return _result(number, np.where(chosen.bound > 0, np.inf, bound), x, chosen)


def put_rows(a: Any, indices: Any, rows: Any) -> Value:
    """Return a matrix with other rows; those for rows that there are not are left out."""
    x, chosen, new = _matrix(a), _matrix(indices), as_value(rows)
    new = new if new.is_array else cast(new)
    places, wholes = _with_places(x, chosen)
    for whole, own in zip(wholes, (new.number, new.bound), strict=True):
        np.put_along_axis(whole, places, own, -2)
    number, bound = (whole[..., :-1, :] for whole in wholes)
    is_doubtful = (chosen.bound > 0).any((-2, -1), keepdims=True)
    return _result(number, np.where(is_doubtful, np.inf, bound), x, chosen, new)


def _with_places(x: Value, chosen: Value) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the places of rows, and number and bound with one more row for what is none."""
    count, cols = x.number.shape[-2:]
    is_row = (chosen.number >= 0) & (chosen.number < count)
    places = np.where(is_row, chosen.number, count).astype(int)
    outer = places.shape[:-2]
    wholes = [
        np.concatenate(
            [np.broadcast_to(v, (*outer, count, cols)), np.full((*outer, 1, cols), np.nan, WIDE)],
            -2,
        )
        for v in (x.number, x.bound)
    ]
    return places, wholes


def trace(a: Any) -> Value:
    """Return the sum of the diagonal."""
    return reductions.sum(diagonal(a), axis=-2)


def _one_by_one(function: Callable[..., Any], *stacks: np.ndarray) -> np.ndarray:
    """Apply a function to each matrix of stacks; NaN where it raises."""
    outer = np.broadcast_shapes(*(own.shape[:-2] for own in stacks))
    each = [np.broadcast_to(own, (*outer, *own.shape[-2:])) for own in stacks]
    found = np.full(each[-1].shape, np.nan)
    for place in np.ndindex(outer):
        try:
            found[place] = function(*(own[place] for own in each))
        except np.linalg.LinAlgError:
            continue
    return found


def orientation(x: Any, names: str) -> Orientation:
    """Return how a matrix lies."""
    del names
    shape = _matrix(x).number.shape
    return Orientation(Sides(shape[-2:]), shape)


def _matrix(value: Any) -> Value:
    """Return a value as a matrix; a scalar fills all of it."""
    one = as_value(value)
    one = one if one.is_array else cast(one)
    if one.number.ndim < 2:
        shape = running_now("matmul(...)").shape
        result = Value(np.broadcast_to(one.number, shape), np.broadcast_to(one.bound, shape), True)
        result.uses_gradient = one.uses_gradient
        return result
    one.bound = np.broadcast_to(one.bound, one.number.shape)
    return one


def _result(number: Any, bound: Any, *operands: Value) -> Value:
    result = Value(number, bound, True, any(one.uses_gradient for one in operands))
    result.is_matrix = True
    result.origin = ("matrix", operands)
    return result


def _by_trial(function: Callable[..., np.ndarray], *given: Any, is_symmetric: bool = True) -> Value:
    """Apply a function; the bound is the largest change over some perturbed arguments."""
    operands = [_matrix(one) for one in given]
    kind = precision.get()
    matrices = [np.asarray(x.number, np.float64) for x in operands]
    is_finite: Any = True
    for matrix in matrices:
        is_finite = is_finite & np.isfinite(matrix).all((-2, -1), keepdims=True)
    clean = [np.where(is_finite, matrix, 0.0) for matrix in matrices]
    number = function(*clean)
    rng = np.random.default_rng(0)
    side = max(matrices[0].shape[-2], matrices[0].shape[-1], 1)
    reaches = [
        np.where(np.isfinite(x.bound), np.asarray(x.bound, np.float64), np.nan)
        + kind.unit * side * np.max(np.abs(own), (-2, -1), keepdims=True, initial=0.0)
        for x, own in zip(operands, clean, strict=True)
    ]
    apart = np.zeros(number.shape)
    with np.errstate(all="ignore"):
        for _ in range(_TRIALS):
            moved = [
                own + np.where(np.isfinite(reach), reach, 0) * _signs(rng, own.shape, is_symmetric)
                for own, reach in zip(clean, reaches, strict=True)
            ]
            apart = np.maximum(apart, np.abs(function(*moved) - number))
    worst = np.max(apart, (-2, -1), keepdims=True, initial=0.0)
    sizes = np.max(np.abs(number), (-2, -1), keepdims=True, initial=0.0)
    bound = np.broadcast_to(4 * worst + 8 * side * kind.unit * sizes, number.shape)
    for reach in reaches:
        unknown = np.isnan(reach).any((-2, -1), keepdims=True)
        bound = np.where(unknown, np.inf, bound)
    bound = np.where(np.isnan(bound), np.inf, bound)
    number = np.where(is_finite, number, np.nan)
    return _result(number.astype(WIDE), np.where(is_finite, bound, 0.0), *operands)


def _signs(rng: np.random.Generator, shape: tuple[int, ...], is_symmetric: bool) -> Any:
    """Return random signs, those of a symmetric matrix if asked to."""
    signs = np.sign(rng.normal(size=shape))
    if not is_symmetric:
        return signs
    return np.triu(signs) + np.swapaxes(np.triu(signs, 1), -1, -2)
