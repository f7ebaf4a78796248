"""Functions of arrays with their own derivatives, for `autograd`.

In `autograd` the gradients of `where`, `maximum`, `max` and `mean` of float32 arrays are float64.
The functions of this module keep the dtype.
"""

from typing import Any

import autograd.numpy
import numpy as np
import scipy.sparse
from autograd.extend import defvjp, notrace_primitive, primitive
from autograd.numpy.numpy_vjps import unbroadcast_f

anp: Any = autograd.numpy  # type checkers cannot see its names, which are made at run time
Array = Any  # an ndarray, or the box around one that autograd traces with


@primitive
def larger(x: Array, y: Array) -> Array:
    """Return the elementwise maximum; equal elements share the gradient."""
    return np.maximum(x, y)


@primitive
def smaller(x: Array, y: Array) -> Array:
    """Return the elementwise minimum; equal elements share the gradient."""
    return np.minimum(x, y)


def _share(g: Array, ans: Array, mine: Array, other: Array) -> Array:
    """Return the part of the gradient `g` that goes to the operand `mine`."""
    return np.where(mine == ans, np.where(other == ans, 0.5 * g, g), 0.0)


for _extreme in (larger, smaller):
    defvjp(
        _extreme,
        lambda ans, x, y: unbroadcast_f(x, lambda g: _share(g, ans, x, y)),
        lambda ans, x, y: unbroadcast_f(y, lambda g: _share(g, ans, y, x)),
    )


@primitive
def select(flag: Array, x: Array, y: Array) -> Array:
    """Return `x` where the flag is not 0, else `y`."""
    return np.where(np.asarray(flag) != 0, x, y)


defvjp(
    select,
    lambda ans, flag, x, y: unbroadcast_f(x, lambda g: np.where(np.asarray(flag) != 0, g, 0.0)),
    lambda ans, flag, x, y: unbroadcast_f(y, lambda g: np.where(np.asarray(flag) != 0, 0.0, g)),
    argnums=(1, 2),
)


@primitive
def relu(x: Array) -> Array:
    """Return `x` where it is above 0, else 0; the derivative at 0 is 0."""
    return np.maximum(x, 0)


@primitive
def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


@primitive
def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


@primitive
def absolute(x: Array) -> Array:
    """Return the absolute value; the derivative at 0 is 0."""
    return np.abs(x)


@primitive
def sqrt(x: Array) -> Array:
    """Return the square root."""
    return np.sqrt(x)


defvjp(relu, lambda ans, x: lambda g: np.where(x > 0, g, 0.0))
defvjp(sigmoid, lambda ans, x: lambda g: g * ans * (1 - ans))
defvjp(tanh, lambda ans, x: lambda g: g * (1 - ans * ans))
defvjp(absolute, lambda ans, x: lambda g: g * np.sign(x))
defvjp(sqrt, lambda ans, x: lambda g: 0.5 * g / ans)


@primitive
def softmax(x: Array, axis: int) -> Array:
    """Return exp(x), divided by its sum along an axis."""
    e = np.exp(x - np.max(x, axis, keepdims=True))
    return e / np.sum(e, axis, keepdims=True)


@primitive
def log_softmax(x: Array, axis: int) -> Array:
    """Return the logarithm of `softmax`, without underflow."""
    low = x - np.max(x, axis, keepdims=True)
    return low - np.log(np.sum(np.exp(low), axis, keepdims=True))


defvjp(
    softmax,
    lambda ans, x, axis: lambda g: ans * (g - np.sum(g * ans, axis, keepdims=True)),
    argnums=(0,),
)
defvjp(
    log_softmax,
    lambda ans, x, axis: lambda g: g - np.exp(ans) * np.sum(g, axis, keepdims=True),
    argnums=(0,),
)


@primitive
def highest(x: Array, axes: tuple[int, ...]) -> Array:
    """Return the maximum over axes, which stay with size 1; equal elements share the gradient."""
    return np.max(x, axes, keepdims=True)


@primitive
def lowest(x: Array, axes: tuple[int, ...]) -> Array:
    """Return the minimum over axes, which stay with size 1; equal elements share the gradient."""
    return np.min(x, axes, keepdims=True)


def _to_extreme(ans: Array, x: Array, axes: tuple[int, ...]) -> Array:
    share = (x == ans).astype(x.dtype)
    share /= np.maximum(np.sum(share, axes, keepdims=True), 1)
    return lambda g: g * share


defvjp(highest, _to_extreme, argnums=(0,))
defvjp(lowest, _to_extreme, argnums=(0,))


@primitive
def sparse_product(left: scipy.sparse.csr_array, right: Array) -> Array:
    """Multiply a sparse matrix by a dense one; only the dense one has a gradient."""
    return np.asarray(left @ right)


defvjp(sparse_product, lambda ans, left, right: lambda g: np.asarray(left.T @ g), argnums=(1,))


@notrace_primitive
def without_gradient(x: Array) -> Array:
    """Return `x` as a constant."""
    return x
