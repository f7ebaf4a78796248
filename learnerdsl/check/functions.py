"""Compute elementwise functions of values: conditions, extremes, functions of one argument."""

from typing import Any

import numpy as np

from learnerdsl.check.arithmetic import angle, compare, power, remainder, rounded, unary
from learnerdsl.check.values import Truth, Value, as_truth, as_value, met
from learnerdsl.elementary import FUNCTIONS


def where(condition: Any, then: Any, otherwise: Any) -> Value:
    """Choose between two values; where the condition is doubtful, the bound covers both."""
    truth = as_truth(condition)
    a, b = as_value(then), as_value(otherwise)
    if truth.is_array or a.is_array or b.is_array:
        a, b, _ = met(a, b, _as_array(truth))
    with np.errstate(all="ignore"):
        number = np.where(truth.holds, a.number, b.number)
        bound = np.where(truth.holds, a.bound, b.bound)
        apart = np.abs(a.number - b.number)
        same = (a.number == b.number) | (np.isnan(a.number) & np.isnan(b.number))
        jump = np.where(same, 0, np.where(np.isnan(apart), np.inf, apart))
        bound = np.where(truth.doubtful, np.maximum(a.bound, b.bound) + jump, bound)
    is_array = truth.is_array or a.is_array or b.is_array
    result = Value(*np.broadcast_arrays(number, bound), is_array=is_array)
    result.uses_gradient = a.uses_gradient or b.uses_gradient
    result.is_matrix = a.is_matrix or b.is_matrix or truth.is_matrix
    result.origin = ("where", (truth, a, b))
    return result


def _as_array(truth: Truth) -> Value:
    """Mark a value as an array, so that scalars combined with it take its dtype."""
    return Value(np.zeros(np.shape(truth.holds)), is_array=True)


def _extreme(name: str, values: tuple[Any, ...]) -> Value:
    operands = met(*values)
    result = operands[0]
    choose = np.maximum if name == "maximum" else np.minimum
    for one in operands[1:]:
        is_near = np.abs(result.number - one.number) <= result.bound + one.bound
        is_first = (result.number > one.number) == (name == "maximum")
        own = np.where(is_first, result.bound, one.bound)
        bound = np.where(is_near, np.maximum(result.bound, one.bound), own)
        number = choose(result.number, one.number)
        doubt = np.isinf(result.bound) | np.isinf(one.bound)
        result = rounded(name, number, bound, (result, one), doubt, np.zeros_like(number))
    return result


def maximum(*values: Any) -> Value:
    """Return the largest of some values; NaN if one is NaN."""
    return _extreme("maximum", values)


def minimum(*values: Any) -> Value:
    """Return the smallest of some values; NaN if one is NaN."""
    return _extreme("minimum", values)


def clip(x: Any, low: Any, high: Any) -> Value:
    """Return a value limited to an interval."""
    return minimum(maximum(x, low), high)


def equal(a: Any, b: Any) -> Truth:
    """Return whether two values are the same."""
    return compare(np.equal, *met(a, b))


def not_equal(a: Any, b: Any) -> Truth:
    """Return whether two values differ; NaN differs from everything."""
    return compare(np.not_equal, *met(a, b))


def less(a: Any, b: Any) -> Truth:
    """Return the relation a < b."""
    return compare(np.less, *met(a, b))


def less_equal(a: Any, b: Any) -> Truth:
    """Return the relation a <= b."""
    return compare(np.less_equal, *met(a, b))


def greater(a: Any, b: Any) -> Truth:
    """Return the relation a > b."""
    return compare(np.greater, *met(a, b))


def greater_equal(a: Any, b: Any) -> Truth:
    """Return the relation a >= b."""
    return compare(np.greater_equal, *met(a, b))


def logical_and(*conditions: Any) -> Truth:
    """Return whether all conditions hold."""
    result = as_truth(True)
    for condition in conditions:
        result = result & condition
    return result


def logical_or(*conditions: Any) -> Truth:
    """Return whether one of the conditions holds."""
    result = as_truth(False)
    for condition in conditions:
        result = result | condition
    return result


def logical_not(condition: Any) -> Truth:
    """Return whether a condition does not hold."""
    return ~as_truth(condition)


def if_then_else(condition: Any, then: Any, otherwise: Any) -> Truth:
    """Choose between two conditions."""
    condition = as_truth(condition)
    return (condition & then) | (~condition & otherwise)


def piecewise(*branches: Any) -> Value:
    """Return the value of the first branch whose condition holds, NaN where none does."""
    result: Any = Value(np.nan)
    for value, condition in reversed(branches):
        truth = as_truth(condition)
        result = (
            as_value(value)
            if truth.holds.all() and not truth.is_array
            else where(truth, value, result)
        )
    return result


def modulo(a: Any, b: Any) -> Value:
    """Return the remainder with the sign of the divisor."""
    with np.errstate(all="ignore"):
        return remainder(*met(a, b))


def raised(a: Any, b: Any) -> Value:
    """Raise a value to a power."""
    with np.errstate(all="ignore"):
        return power(*met(a, b))


def sqrt(x: Any) -> Value:
    """Return the square root; for SymPy it is a power, which it joins with other powers of x."""
    return raised(x, 0.5)


def added(*terms: Any) -> Value:
    """Add values."""
    result = as_value(0.0) if not terms else as_value(terms[0])
    for term in terms[1:]:
        result = result + term
    return result


def multiplied(*factors: Any) -> Value:
    """Multiply values."""
    result = as_value(1.0) if not factors else as_value(factors[0])
    for factor in factors[1:]:
        result = result * factor
    return result


def _of_one(name: str) -> Any:
    def function(x: Any) -> Value:
        return unary(name, x)

    function.__name__ = name
    return function


def log(x: Any, base: Any = None) -> Value:
    """Return the logarithm, to base e or another base."""
    return unary("log", x) if base is None else unary("log", x) / unary("log", base)


def atan2(y: Any, x: Any) -> Value:
    """The angle of the point (x, y)."""
    with np.errstate(all="ignore"):
        return angle(*met(y, x))


def isnan(x: Any) -> Truth:
    """Whether a value is NaN."""
    return not_equal(x, x)


def isfinite(x: Any) -> Truth:
    """Whether a value is neither NaN nor infinite; doubtful where SymPy may have none."""
    value = as_value(x)
    doubtful = np.isinf(value.bound) | (value.is_computed & ~np.isfinite(value.number))
    return Truth(np.isfinite(value.number), doubtful, value.is_array, value.is_matrix)


UNARY = {
    row.name: _of_one(row.name)
    for row in FUNCTIONS
    if row.name not in ("log", "sqrt") and len(row.arguments) == 1
}
ELEMENTARY = {**UNARY, "atan2": atan2, "log": log, "sqrt": sqrt}
