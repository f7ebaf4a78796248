"""Reduce values in float64: over a tensor, over the model, or over axes."""

import math
from typing import Any

import numpy as np

from learnerdsl.check.context import running_now
from learnerdsl.check.functions import equal, greater, multiplied, raised, sqrt
from learnerdsl.check.functions import where as choose
from learnerdsl.check.values import SCALAR_REACH, SCALAR_UNIT, WIDE, Truth, Value, as_value
from learnerdsl.monoids import MONOIDS

Axis = int | tuple[int, ...] | None


def sum(
    x: Any,
    over: str = "tensor",
    block: int = 0,
    axis: Axis = None,
    *,
    of: str = "elements",
    where: Any = None,
) -> Value:
    """Return the sum of all elements, or along axes, which are kept with size 1."""
    return _reduced("sum", x, over, axis, block, of, where)


def mean(
    x: Any,
    over: str = "tensor",
    block: int = 0,
    axis: Axis = None,
    *,
    of: str = "elements",
    where: Any = None,
) -> Value:
    """Return the mean of all elements, or along axes."""
    total = sum(x, over, block, axis, of=of, where=where)
    if where is not None or of != "elements":
        return total / sum(1.0, over, axis=axis, of=of, where=where)
    return total / _size(over, axis, as_value(x))


def norm(
    x: Any, over: str = "tensor", axis: Axis = None, *, of: str = "elements", where: Any = None
) -> Value:
    """Return the Euclidean norm."""
    return sqrt(sum(raised(x, 2), over, axis=axis, of=of, where=where))


def max(
    x: Any, over: str = "tensor", axis: Axis = None, *, of: str = "elements", where: Any = None
) -> Value:
    """Return the largest element; NaN if there is one, -infinity where there is none."""
    return _reduced("max", x, over, axis, 0, of, where)


def min(
    x: Any, over: str = "tensor", axis: Axis = None, *, of: str = "elements", where: Any = None
) -> Value:
    """The smallest element; NaN if there is one, infinity where there is none."""
    return _reduced("min", x, over, axis, 0, of, where)


def prod(
    x: Any, over: str = "tensor", axis: Axis = None, *, of: str = "elements", where: Any = None
) -> Value:
    """The product of all elements, or along axes; 1 over none."""
    return _reduced("prod", x, over, axis, 0, of, where)


def count(
    condition: Any,
    over: str = "tensor",
    axis: Axis = None,
    *,
    of: str = "elements",
    where: Any = None,
) -> Value:
    """The number of elements for which a condition holds."""
    return sum(choose(condition, 1.0, 0.0), over, axis=axis, of=of, where=where)


def any(
    condition: Any,
    over: str = "tensor",
    axis: Axis = None,
    *,
    of: str = "elements",
    where: Any = None,
) -> Truth:
    """Whether a condition holds for some element."""
    return greater(count(condition, over, axis, of=of, where=where), 0.0)


def all(
    condition: Any,
    over: str = "tensor",
    axis: Axis = None,
    *,
    of: str = "elements",
    where: Any = None,
) -> Truth:
    """Whether a condition holds for every element."""
    failing = choose(condition, 0.0, 1.0)
    return equal(sum(failing, over, axis=axis, of=of, where=where), 0.0)


def size(x: Any, over: str = "tensor", axis: Axis = None) -> Value:
    """Return the number of elements, or of indices of axes."""
    return _size(over, axis, as_value(x))


def _size(over: str, axis: Axis, value: Value) -> Value:
    run = running_now("size(...)")
    shape = value.number.shape if value.is_matrix else run.shape
    if axis is not None:
        axes = axis if isinstance(axis, tuple) else (axis,)
        return multiplied(*(float(shape[number]) for number in axes))
    if over == "model":
        return Value(run.inputs.clock["model_size"])
    return Value(float(math.prod(shape)))


def _reduced(
    operation: str, x: Any, over: str, axis: Axis, block: int, of: str, where: Any
) -> Value:
    run = running_now(f"{operation}(...)")
    value = as_value(x if where is None else choose(where, x, MONOIDS[operation].identity))
    shape = value.number.shape if value.is_matrix else run.shape
    is_matrix = shape != run.shape
    if of == "tensors":
        shape = (1,) if math.prod(run.shape) else (0,)
    number = np.broadcast_to(value.number, shape)
    bound = np.broadcast_to(value.bound, shape)
    axes = tuple(range(len(shape))) if axis is None else axis
    keep = axis is not None or is_matrix
    with np.errstate(all="ignore"):
        function = _OPERATIONS[operation]
        unit = run.kind.unit if block or value.is_matrix else SCALAR_UNIT
        result, reach = function(number, bound, axes, unit, keep=keep)
    if over == "model":
        result, reach = run.over_model((operation, result, reach))
    if keep:  # Elements read the result in their own dtype.
        with np.errstate(over="ignore"):
            lost = np.abs(result - result.astype(run.kind.dtype))
        reach = reach + np.where(np.isfinite(lost), lost, 0)
    reduced = Value(result, reach, keep, value.uses_gradient)
    reduced.is_matrix = is_matrix
    reduced.origin = (operation, (value,))
    return reduced


def _summed(number: Any, bound: Any, axes: Any, unit: float, keep: bool) -> tuple[Any, Any]:
    total = np.sum(number, axes, keepdims=keep)
    sizes = np.where(np.isfinite(number), np.abs(number), 0)
    count = number.size + 4
    reach = np.sum(bound, axes, keepdims=keep) + count * unit * np.sum(sizes, axes, keepdims=keep)
    uncertain = np.any(np.isinf(bound), axes, keepdims=keep)
    return total, np.where(uncertain, np.inf, np.where(np.isfinite(total), reach, 0))


def _extreme(ufunc: np.ufunc, identity: float) -> Any:
    def reduced(number: Any, bound: Any, axes: Any, unit: float, keep: bool) -> tuple[Any, Any]:
        del unit
        result, high, low = (
            ufunc.reduce(values, axes, keepdims=keep, initial=identity)
            for values in (number, number + bound, number - bound)
        )
        reach = np.fmax(np.abs(high - result), np.abs(result - low))
        uncertain = np.any(np.isinf(bound), axes, keepdims=keep)
        return result, np.where(uncertain, np.inf, np.where(np.isfinite(result), reach, 0))

    return reduced


def _multiplied(number: Any, bound: Any, axes: Any, unit: float, keep: bool) -> tuple[Any, Any]:
    result = np.prod(number, axes, keepdims=keep)
    size = np.abs(number)
    most = np.prod(size + bound, axes, keepdims=keep) - np.prod(size, axes, keepdims=keep)
    reach = most + (number.size + 4) * unit * np.prod(size + bound, axes, keepdims=keep)
    # Elsewhere the product is in float64, which it may leave on the way in another order.
    exponents = np.abs(np.log2(np.where(size > 0, size, 1)))
    uncertain = np.any(~np.isfinite(bound) | ~np.isfinite(size), axes, keepdims=keep)
    uncertain |= np.sum(exponents, axes, keepdims=keep) > SCALAR_REACH
    return result, np.where(uncertain, np.inf, np.where(np.isfinite(result), reach, 0))


_OPERATIONS = {
    "sum": _summed,
    "max": _extreme(np.maximum, -np.inf),
    "min": _extreme(np.minimum, np.inf),
    "prod": _multiplied,
}


def joined(parts: list[Any]) -> Any:
    """Combine the reductions over the tensors into that over the model."""
    operation = parts[0][0]
    numbers = np.array([number for _, number, _ in parts], WIDE)
    bounds = np.array([bound for _, _, bound in parts], WIDE)
    function = _OPERATIONS[operation]
    with np.errstate(all="ignore"):
        return function(numbers, bounds, (0,), SCALAR_UNIT, keep=False)
