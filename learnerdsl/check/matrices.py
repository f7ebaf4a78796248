"""Compute functions of whole matrices on values, with numpy.linalg."""

from collections.abc import Callable
from typing import Any

import numpy as np

from learnerdsl.check.context import running_now
from learnerdsl.check.values import WIDE, Value, as_value, cast, precision
from learnerdsl.expr import length

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


def orthonormal(a: Any) -> Value:
    """Return Q of the QR decomposition."""
    return _by_trial(lambda matrix: np.linalg.qr(matrix)[0], a)


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


def _by_trial(function: Callable[[np.ndarray], np.ndarray], a: Any) -> Value:
    """Apply a function; the bound is the largest change over some perturbed arguments."""
    x = _matrix(a)
    kind = precision.get()
    matrix = np.asarray(x.number, np.float64)
    is_finite = np.isfinite(matrix).all((-2, -1), keepdims=True)
    clean = np.where(is_finite, matrix, 0.0)
    number = function(clean)
    rng = np.random.default_rng(0)
    side = max(matrix.shape[-1], 1)
    scale = kind.unit * side * np.max(np.abs(clean), (-2, -1), keepdims=True, initial=0.0)
    reach = np.where(np.isfinite(x.bound), np.asarray(x.bound, np.float64), np.nan) + scale
    apart = np.zeros(number.shape)
    with np.errstate(all="ignore"):
        for _ in range(_TRIALS):
            signs = np.sign(rng.normal(size=matrix.shape))
            signs = np.triu(signs) + np.swapaxes(np.triu(signs, 1), -1, -2)
            moved = clean + np.where(np.isfinite(reach), reach, 0) * signs
            apart = np.maximum(apart, np.abs(function(moved) - number))
    worst = np.max(apart, (-2, -1), keepdims=True, initial=0.0)
    sizes = np.max(np.abs(number), (-2, -1), keepdims=True, initial=0.0)
    bound = np.broadcast_to(4 * worst + 8 * side * kind.unit * sizes, number.shape)
    bound = np.where(np.isnan(reach).any((-2, -1), keepdims=True), np.inf, bound)
    number = np.where(is_finite, number, np.nan)
    return _result(number.astype(WIDE), np.where(is_finite, bound, 0.0), x)
