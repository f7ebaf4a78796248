"""Evaluation of functions of whole matrices, over the last two axes of an array."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from learnerdsl.expr import (
    AllRows,
    Cholesky,
    Diagonal,
    DiagonalMatrix,
    Eigenvalues,
    Eigenvectors,
    Filled,
    FirstColumns,
    Identity,
    Inverse,
    MatMul,
    MatrixReduction,
    MatrixState,
    Orthonormal,
    ParameterSymbol,
    PutRows,
    Solve,
    SolveTriangular,
    StateSymbol,
    TakeRows,
    TopRows,
    Transpose,
    Tril,
    Triu,
    array_shape,
    length,
)
from learnerdsl.monoids import MONOIDS


def narrow_product(
    values: Sequence[Any], alpha: float = 1.0, own: Any = 0.0, beta: float = 0.0, xp: Any = np
) -> Any:
    """Return alpha*A*B + beta*C for `products="bfloat16"`: summed in float32, rounded once.

    Args:
        values: A and B, in the dtype of the arithmetic, which the result has too.
        alpha: a number.
        own: C, which is A or B.
        beta: a number.
        xp: array namespace.
    """
    a, b, c = (_rounded(value, xp) for value in (*values, own))
    total = np.float32(alpha) * xp.matmul(a, b) + np.float32(beta) * c
    return xp.asarray(_rounded(total, xp), dtype=values[0].dtype)


def _rounded(values: Any, xp: Any) -> Any:
    """Return float32 numbers with the digits of bfloat16: rounded to nearest, ties to even."""
    single = xp.asarray(values, dtype=xp.float32)
    bits = single.view(xp.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + odd) & np.uint32(0xFFFF0000)
    return xp.where(xp.isnan(single), single, rounded.view(xp.float32))


def matrix_function(
    expr: Any, values: Sequence[Any], parameter: Any, xp: Any, products: str = "full"
) -> Any:
    """Return the value of a function of matrices.

    Args:
        expr: its node.
        values: values of its arguments; matrices are (..., n, m).
        parameter: array whose last two axes are the rows and columns.
        xp: array namespace.
        products: how matrices are multiplied, "full" or "bfloat16".
    """
    if isinstance(expr, Identity):
        return xp.eye(length(expr.side, np.shape(parameter)), dtype=parameter.dtype)
    if isinstance(expr, MatMul):
        return xp.matmul(*values) if products == "full" else narrow_product(values, xp=xp)
    if isinstance(expr, Transpose):
        return xp.swapaxes(values[0], -1, -2)
    if isinstance(expr, Filled):
        shape = array_shape(expr.sides(), np.shape(parameter))
        return xp.broadcast_to(xp.asarray(values[0], dtype=parameter.dtype), shape)
    own = _OF_VALUES.get(expr.func, _of_symmetric)
    return own(expr, values, xp)


def _of_symmetric(expr: Any, values: Sequence[Any], xp: Any) -> Any:
    """Return a function of symmetric matrices, from their eigenvalues and eigenvectors."""
    is_finite = xp.all(xp.isfinite(values[0]), (-2, -1))[..., None]
    roots, vectors = xp.linalg.eigh(xp.where(is_finite[..., None], values[0], 0.0))
    roots = xp.where(is_finite, roots, xp.nan)
    vectors = xp.where(is_finite[..., None], vectors, xp.nan)
    if isinstance(expr, Eigenvectors):
        return xp.flip(vectors, (-1,))
    if isinstance(expr, Eigenvalues):
        return xp.flip(roots, (-1,))[..., None]
    if 0 in vectors.shape:
        return vectors
    least = xp.finfo(roots.dtype).eps * xp.max(xp.abs(roots), -1, keepdims=True)
    powers = xp.maximum(roots, least) ** xp.asarray(-1.0 / values[1], dtype=roots.dtype)
    return xp.matmul(vectors * powers[..., None, :], xp.swapaxes(vectors, -1, -2))


def _basis(expr: Any, values: Sequence[Any], xp: Any) -> Any:
    """Return Q of the QR decomposition, with zeros for the columns that are too many."""
    del expr
    a = values[0]
    is_finite = xp.all(xp.isfinite(a), (-2, -1), keepdims=True)
    basis = xp.linalg.qr(xp.where(is_finite, a, 0.0))[0]
    more = np.shape(a)[-1] - np.shape(basis)[-1]
    if more:
        zeros = xp.zeros((*np.shape(basis)[:-1], more), dtype=basis.dtype)
        basis = xp.concatenate((basis, zeros), -1)
    return xp.where(is_finite, basis, xp.nan)


def _diagonal(expr: Any, values: Sequence[Any], xp: Any) -> Any:
    """Return the diagonal of matrices as columns, or diagonal matrices of columns."""
    (value,) = values
    if isinstance(expr, Diagonal):
        return xp.diagonal(value, 0, -2, -1)[..., None]
    is_on_diagonal = xp.eye(np.shape(value)[-2], dtype=bool)
    return xp.where(is_on_diagonal, value, xp.zeros(np.shape(value), dtype=value.dtype))


def _triangle(expr: Any, values: Sequence[Any], xp: Any) -> Any:
    """Return the lower or the upper triangle of matrices."""
    return (xp.triu if isinstance(expr, Triu) else xp.tril)(values[0])


def _first_columns(expr: FirstColumns, values: Sequence[Any], xp: Any) -> Any:
    """Return the first columns, put one by one into a matrix of zeros."""
    (value,) = values
    columns = [value[..., :, k, None] for k in range(min(expr.number, np.shape(value)[-1]))]
    more = expr.number - len(columns)
    zeros = xp.zeros((*np.shape(value)[:-1], more), dtype=value.dtype)
    return xp.concatenate((*columns, zeros), -1)


_FACTORIZED = {
    Inverse: np.linalg.inv,
    Cholesky: np.linalg.cholesky,
    Solve: np.linalg.solve,
    SolveTriangular: np.linalg.solve,
}


def _factorized(expr: Any, values: Sequence[Any], xp: Any) -> Any:
    """Return a function of matrices, one by one; NaN where there is no result."""
    own = [np.asarray(value) for value in values]
    if isinstance(expr, SolveTriangular):
        own[0] = (np.tril if expr.is_lower else np.triu)(own[0])
    outer, stacks = _stacks(own)
    found = np.full_like(stacks[-1], np.nan)
    for k, matrices in enumerate(zip(*stacks, strict=True)):
        if all(np.isfinite(matrix).all() for matrix in matrices):
            try:
                found[k] = _FACTORIZED[expr.func](*matrices)
            except np.linalg.LinAlgError:
                continue
    finite = np.isfinite(found).all((-2, -1), keepdims=True)
    whole = np.where(finite, found, np.nan).reshape(*outer, *found.shape[-2:])
    return xp.asarray(whole, dtype=values[0].dtype)


def _stacks(own: Sequence[np.ndarray]) -> tuple[tuple[int, ...], list[np.ndarray]]:
    """Return the shape of a stack of matrices, and stacks with one axis for it."""
    outer = np.broadcast_shapes(*(value.shape[:-2] for value in own))
    wide = (np.broadcast_to(value, (*outer, *value.shape[-2:])) for value in own)
    return outer, [value.reshape(math.prod(outer), *value.shape[-2:]) for value in wide]


def _top_rows(expr: AllRows | TopRows, values: Sequence[Any], xp: Any) -> Any:
    """Return the numbers of the largest scores, of each column by itself; NaN is the largest."""
    (scores,) = values
    is_nan = xp.isnan(scores)
    # The last key decides first. Rows that are equal by both stay in order.
    order = xp.lexsort((-xp.where(is_nan, 0, scores), ~is_nan), axis=-2)
    number = expr.number if isinstance(expr, TopRows) else scores.shape[-2]
    return xp.asarray(order[..., :number, :], dtype=scores.dtype)


def _taken(expr: TakeRows, values: Sequence[Any], xp: Any) -> Any:
    """Return rows of matrices; NaN for those that there are not."""
    del expr
    whole, indices = values
    outer = np.broadcast_shapes(np.shape(whole)[:-2], np.shape(indices)[:-2])
    whole, indices = (xp.broadcast_to(a, (*outer, *np.shape(a)[-2:])) for a in values)
    rows, cols = np.shape(whole)[-2:]
    if not rows:
        return xp.full((*np.shape(indices)[:-1], cols), np.nan, dtype=whole.dtype)
    is_row = (indices >= 0) & (indices < rows)
    places = xp.asarray(xp.where(is_row, indices, 0), dtype=int)
    found = xp.take_along_axis(whole, places, axis=-2)
    return xp.asarray(xp.where(is_row, found, np.nan), dtype=whole.dtype)


def _put(expr: PutRows, values: Sequence[Any], xp: Any) -> Any:
    """Return matrices with other rows, which are put in one by one."""
    del expr
    found, indices, rows = values
    numbers = xp.arange(np.shape(found)[-2])[:, None]
    for k in range(np.shape(indices)[-2]):
        one = slice(k, k + 1)
        is_place = numbers == xp.floor(indices[..., one, :])
        found = xp.where(is_place, rows[..., one, :], found)
    return xp.asarray(found, dtype=values[0].dtype)


def _reduced(expr: MatrixReduction, values: Sequence[Any], xp: Any) -> Any:
    """Return a reduction of matrices: computed in float64, with the dtype of the matrices."""
    (value,) = values
    shape = np.shape(value)
    axes = tuple(range(-len(shape), 0)) if expr.axes is None else expr.axes
    count = math.prod(shape[axis] for axis in axes)
    kind = "sum" if expr.operation in ("mean", "norm") else expr.operation
    wide = xp.asarray(value, dtype=xp.float64)
    if count:
        wide = wide**2 if expr.operation == "norm" else wide
        result = getattr(xp, kind)(wide, axes, keepdims=True)
    else:
        kept = tuple(1 if axis in axes else n for axis, n in enumerate(shape, -len(shape)))
        result = xp.full(kept, MONOIDS[kind].identity, dtype=xp.float64)
    if expr.operation == "norm":
        result = xp.sqrt(result)
    if expr.operation == "mean":
        result = result / count if count else xp.full(np.shape(result), np.nan)
    return xp.asarray(result, dtype=value.dtype)


_OF_VALUES = {
    MatrixReduction: _reduced,
    Orthonormal: _basis,
    Diagonal: _diagonal,
    DiagonalMatrix: _diagonal,
    FirstColumns: _first_columns,
    Tril: _triangle,
    Triu: _triangle,
    AllRows: _top_rows,
    TopRows: _top_rows,
    TakeRows: _taken,
    PutRows: _put,
    **dict.fromkeys(_FACTORIZED, _factorized),
}


def has_elements(target: Any) -> bool:
    """Return whether a target has one value per element, or per entry of a matrix."""
    is_state = isinstance(target, StateSymbol) and target.shape == "element"
    return is_state or isinstance(target, (MatrixState, ParameterSymbol))


def filled(target: Any, value: float, parameter: Any, xp: Any) -> Any:
    """Return an array filled with a number, with the shape of a state or parameter."""
    shape = np.shape(parameter)
    if isinstance(target, MatrixState):
        shape = array_shape(target.shape, shape)
    return xp.full(shape, value, dtype=parameter.dtype)
