"""The functions that generated code for JAX calls besides those of jax.numpy.

Elements have the dtype of the arithmetic, scalars are float64. The code runs inside
`jax.enable_x64(True)`, also where the rest of the program does without float64.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from learnerdsl.jax.division import varied, varying
from learnerdsl.jax.draws import normal as normal
from learnerdsl.jax.draws import uniform as uniform
from learnerdsl.jax.parts import along as along
from learnerdsl.jax.parts import axis_size as axis_size
from learnerdsl.jax.parts import empty as empty
from learnerdsl.jax.parts import joined_max, joined_min, joined_product, joined_sum
from learnerdsl.jax.parts import size as size
from learnerdsl.jax.placing import joined, placed, unsplit
from learnerdsl.jax.placing import where as where
from learnerdsl.jax.placing import whole as whole
from learnerdsl.jax.settings import current


def cast(value: Any, p: Any) -> Any:
    """Return a scalar with the dtype of the elements; Python's numbers take it by themselves."""
    return value if isinstance(value, (int, float)) else value.astype(p.dtype)


def rounded(value: Any, p: Any) -> Any:
    """Return a scalar in float64, rounded to the dtype of the elements."""
    return jnp.asarray(value, p.dtype).astype(jnp.float64)


def wide(value: Any) -> Any:
    """Return a number in float64; Python's numbers stay as they are."""
    return value if isinstance(value, (int, float)) else jnp.asarray(value, jnp.float64)


# Derivatives that are not finite count as 0, so that what a choice leaves out adds no NaN to the
# gradient of a loss by a hyperparameter. The rules of derivatives run where the caller
# differentiates, outside of the context in which the code was traced.


def _finite(slope: Any) -> Any:
    return jnp.where(jnp.isfinite(slope), slope, 0)


def _differentiable(
    function: Callable[..., Any], slopes: Callable[..., tuple[Any, ...]]
) -> Callable[..., Any]:
    """Return a function with given partial derivatives, those that are not finite replaced by 0.

    Args:
        function: the function, of arrays.
        slopes: returns the derivatives; called with the value and the arguments.
    """
    own = jax.custom_jvp(function)

    def rule(primals: Any, tangents: Any) -> Any:
        with jax.enable_x64(True):
            value = own(*primals)
            parts = [
                _finite(slope) * tangent
                for slope, tangent in zip(slopes(value, *primals), tangents, strict=True)
            ]
            total = sum(parts[1:], start=parts[0])
            return value, jnp.asarray(total, value.dtype)

    own.defjvp(rule)
    return own


def _of_arrays(*values: Any) -> list[Any]:
    """Return numbers as arrays of one dtype: that of the arrays among them, or float64."""
    dtypes = [v.dtype for v in values if not isinstance(v, (int, float))]
    dtype = jnp.result_type(*dtypes) if dtypes else jnp.dtype(jnp.float64)
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.dtype(jnp.float64)
    return [jnp.asarray(v, dtype) for v in values]


_root = _differentiable(jnp.sqrt, lambda value, x: (0.5 / value,))
_times = _differentiable(jnp.multiply, lambda value, a, b: (b, a))
_quotient = _differentiable(jnp.divide, lambda value, a, b: (1 / b, -value / b))
_power = _differentiable(jnp.power, lambda value, x, y: (y * power(x, y - 1), jnp.log(x) * value))


def root(x: Any) -> Any:
    """Return the square root."""
    return _root(*_of_arrays(x))


def times(a: Any, b: Any) -> Any:
    """Return a*b."""
    return _times(*_of_arrays(a, b))


def quotient(a: Any, b: Any) -> Any:
    """Return a/b."""
    return _quotient(*_of_arrays(a, b))


def power(x: Any, y: Any) -> Any:
    """Return x**y."""
    return _power(*_of_arrays(x, y))


# Functions of matrices that are needed only now and then.


def when(condition: Any, compute: Callable[[], Any]) -> Any:
    """Return a value, or zeros instead of it while a condition does not hold."""
    return either(condition, compute, lambda: 0)


def either(condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """Return one of two values, and compute only that one."""
    shapes = [jax.eval_shape(lambda own=own: jnp.asarray(own())) for own in (then, otherwise)]
    wanted = [s for s in shapes if not s.weak_type] or shapes
    shape: Any = jnp.broadcast_shapes(*(s.shape for s in shapes))
    dtype = jnp.result_type(*(s.dtype for s in wanted))
    place = joined(shapes)
    parts: frozenset[str] = frozenset().union(*map(varying, shapes))

    def filled(own: Callable[[], Any]) -> Any:
        return lambda: varied(placed(own(), shape, place).astype(dtype), parts)

    return jax.lax.cond(jnp.reshape(condition, ()), filled(then), filled(otherwise))


# Reductions over a tensor are scalars. Inside shard_map, all reductions join the parts of devices:
# `axis` is what the elements belong to, if they have length 1 along other axes.


def _sum_type(x: Any) -> Any:
    """Return the dtype in which numbers are added."""
    return jnp.float64 if current().sums == "float64" else x.dtype


def sum_all(x: Any, axis: Any = None) -> Any:
    """Return the sum of all elements."""
    return joined_sum(jnp.sum(x, dtype=_sum_type(x)).astype(jnp.float64), x, axis)


def prod_all(x: Any, axis: Any = None) -> Any:
    """Return the product of all elements."""
    return joined_product(jnp.prod(x, dtype=jnp.float64), x, axis)


def max_all(x: Any, axis: Any = None) -> Any:
    """Return the largest element; minus infinity if there is none."""
    return joined_max(jnp.max(x, initial=-jnp.inf).astype(jnp.float64), x, axis)


def min_all(x: Any, axis: Any = None) -> Any:
    """Return the smallest element; infinity if there is none."""
    return joined_min(jnp.min(x, initial=jnp.inf).astype(jnp.float64), x, axis)


# Reductions over axes keep these axes, with length 1.


def sum_over(x: Any, axis: Any) -> Any:
    """Return the sums over axes."""
    total = jnp.sum(x, axis, dtype=_sum_type(x), keepdims=True)
    return joined_sum(total, x, axis).astype(x.dtype)


def prod_over(x: Any, axis: Any) -> Any:
    """Return the products over axes."""
    return joined_product(jnp.prod(x, axis, keepdims=True), x, axis)


def max_over(x: Any, axis: Any) -> Any:
    """Return the largest elements over axes."""
    return joined_max(jnp.max(x, axis, keepdims=True, initial=-jnp.inf), x, axis)


def min_over(x: Any, axis: Any) -> Any:
    """Return the smallest elements over axes."""
    return joined_min(jnp.min(x, axis, keepdims=True, initial=jnp.inf), x, axis)


# Functions of the matrices in the last two axes.


def matmul(a: Any, b: Any) -> Any:
    """Return products of matrices."""
    return jnp.matmul(unsplit(a), unsplit(b))


def orthonormal(a: Any) -> Any:
    """Return an orthonormal basis of the columns: the Q of a QR decomposition."""
    a = unsplit(a)
    basis = jnp.linalg.qr(a)[0]
    more = a.shape[-1] - basis.shape[-1]
    if more:
        basis = jnp.concatenate([basis, jnp.zeros_like(a[..., :more])], -1)
    return _known(basis, a)


def inverse(a: Any) -> Any:
    """Return inverses; NaN for matrices that are singular or not finite."""
    return _known(jnp.linalg.inv(unsplit(a)), a)


def cholesky(a: Any) -> Any:
    """Return lower triangular factors; NaN where a matrix is not positive definite."""
    return _known(jnp.linalg.cholesky(unsplit(a), symmetrize_input=False), a)


def solve(a: Any, b: Any) -> Any:
    """Return the solutions X of A X = B; NaN where A is singular."""
    a, b = unsplit(a), unsplit(b)
    return _known(jnp.linalg.solve(a, b), a, b)


def solve_triangular(a: Any, b: Any, lower: bool) -> Any:
    """Return the solutions X of A X = B, where A is triangular."""
    a, b = unsplit(a), unsplit(b)
    a = jnp.tril(a) if lower else jnp.triu(a)
    return _known(jax.scipy.linalg.solve_triangular(a, b, lower=lower), a, b)


def diagonal(a: Any) -> Any:
    """Return diagonals (..., n, 1)."""
    return jnp.diagonal(unsplit(a), 0, -2, -1)[..., None]


def diagonal_matrix(v: Any) -> Any:
    """Return diagonal matrices of columns (..., n, 1)."""
    return jnp.where(jnp.eye(v.shape[-2], dtype=bool), unsplit(v), 0)


def tril(a: Any) -> Any:
    """Return lower triangles."""
    return jnp.tril(unsplit(a))


def triu(a: Any) -> Any:
    """Return upper triangles."""
    return jnp.triu(unsplit(a))


def first_columns(a: Any, count: int) -> Any:
    """Return the first columns (..., n, count); those that there are not are 0."""
    a = unsplit(a)
    more = max(0, count - a.shape[-1])
    return jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, more)])[..., :count]


def top_rows(scores: Any, count: int | None = None) -> Any:
    """Return the numbers of the largest scores as columns, the largest first; NaN is largest."""
    scores = unsplit(scores)
    order = jnp.argsort(scores[..., 0], axis=-1, stable=True, descending=True)
    return order[..., :count, None].astype(scores.dtype)


def take_rows(a: Any, indices: Any) -> Any:
    """Return rows of matrices; NaN for those that there are not."""
    a, places = _with_places(a, indices)
    return jnp.take_along_axis(a, places, -2, mode="fill", fill_value=jnp.nan)


def put_rows(a: Any, indices: Any, rows: Any) -> Any:
    """Return matrices with other rows; those for rows that there are not are left out."""
    a, places = _with_places(a, indices)
    return jnp.put_along_axis(a, places, unsplit(rows), -2, inplace=False, mode="drop")


def _with_places(a: Any, indices: Any) -> tuple[Any, Any]:
    """Return matrices and the places of rows, beyond the end for those that there are not."""
    a, indices = unsplit(a), unsplit(indices)
    count = a.shape[-2]
    is_row = (indices >= 0) & (indices < count)
    places = jnp.where(is_row, indices, count).astype(int)
    outer = jnp.broadcast_shapes(a.shape[:-2], places.shape[:-2])
    wide = jnp.broadcast_to(a, (*outer, *a.shape[-2:]))
    return wide, jnp.broadcast_to(places, (*outer, places.shape[-2], a.shape[-1]))


def _known(result: Any, *operands: Any) -> Any:
    """Return a result that is NaN where it, or an operand, is not finite."""
    is_known: Any = True
    for matrices in (*operands, result):
        is_known = is_known & jnp.isfinite(matrices).all((-2, -1), keepdims=True)
    return jnp.where(is_known, result, jnp.nan)


def _eigh(a: Any) -> tuple[Any, Any]:
    """Return eigenvalues and eigenvectors of symmetric matrices; NaN for those with NaN."""
    a = unsplit(a)
    is_finite = jnp.isfinite(a).all((-2, -1))[..., None]
    roots, vectors = jnp.linalg.eigh(jnp.where(is_finite[..., None], a, 0))
    return jnp.where(is_finite, roots, jnp.nan), jnp.where(is_finite[..., None], vectors, jnp.nan)


def eigenvectors(a: Any) -> Any:
    """Return the eigenvectors of symmetric matrices as columns, largest eigenvalue first."""
    return jnp.flip(_eigh(a)[1], -1)


def eigenvalues(a: Any) -> Any:
    """Return the eigenvalues of symmetric matrices as columns, the largest first."""
    return jnp.flip(_eigh(a)[0], -1)[..., None]


def inverse_root(a: Any, order: Any) -> Any:
    """Return a**(-1/order) of symmetric matrices; no eigenvalue counts as less than rounding."""
    roots, vectors = _eigh(a)
    if 0 in vectors.shape:
        return vectors
    least = jnp.finfo(a.dtype).eps * jnp.max(jnp.abs(roots), -1, keepdims=True)
    exponent = cast(wide(-1.0 / order), a)
    powers = jnp.maximum(roots, least) ** exponent
    return matmul(vectors * powers[..., None, :], vectors.mT)


def reduced(a: Any, kind: str, axes: tuple[int, ...] | None) -> Any:
    """Return a reduction of matrices, which keeps the axes; sums are in float64."""
    axes = tuple(range(-a.ndim, 0)) if axes is None else axes
    if kind in ("max", "min"):
        return (max_over if kind == "max" else min_over)(a, axes)
    values = a.astype(jnp.float64)
    if kind == "prod":
        return prod_over(values, axes).astype(a.dtype)
    total = sum_over(jnp.square(values) if kind == "norm" else values, axes)
    if kind == "norm":
        total = root(total)
    elif kind == "mean":
        total = total / math.prod(axis_size(a, axis) for axis in axes)
    return total.astype(a.dtype)
