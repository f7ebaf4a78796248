"""Compute with values: every operation returns a number and a bound of its error."""

from typing import Any

import numpy as np

from learnerdsl.check.values import (
    SCALAR_LARGEST,
    SCALAR_LEAST,
    SCALAR_REACH,
    SCALAR_UNIT,
    WIDE,
    Truth,
    Value,
    as_value,
    precision,
)
from learnerdsl.elementary import FUNCTIONS

_MOST_FACTORS = 64


def negate(x: Any) -> Value:
    """Return the negated value."""
    own = as_value(x)
    result = Value(-own.number, own.bound, own.is_array)
    result._terms = own._terms
    return traced(result, "neg", own)


def traced(result: Value, name: str, *operands: Value) -> Value:
    """Return a result that records the operation and operands it came from."""
    result.origin = (name, operands)
    result.uses_gradient = any(one.uses_gradient for one in operands)
    result.is_matrix = any(one.is_matrix for one in operands)
    return result


def rounded(
    name: str,
    number: Any,
    bound: Any,
    operands: tuple[Value, ...],
    doubt: Any = False,
    parts: Any = None,
) -> Value:
    """Return the result of an operation as a value, adding the error of one rounding to the bound.

    Args:
        name: name of the operation.
        number: its result.
        bound: how far the errors of the operands move the result.
        operands: the operands.
        doubt: where no bound holds.
        parts: size that the rounding error is relative to; None for the result itself.
    """
    is_array = any(one.is_array for one in operands)
    kind = precision.get()
    unit, least = (kind.unit, kind.least) if is_array else (SCALAR_UNIT, SCALAR_LEAST)
    is_finite = np.isfinite(number)
    size = np.abs(number) if parts is None else parts
    doubt = doubt | np.any([np.isinf(one.bound).any() for one in operands])
    if np.any(doubt):
        for one in operands:
            doubt = doubt | np.isinf(one.bound)
    for one in operands:
        doubt = doubt | (is_finite & has_no_value(one))
    total = np.where(is_finite, bound + unit * size + least * (size != 0), 0)
    largest = kind.largest if is_array else SCALAR_LARGEST
    doubt = doubt | (is_finite & (np.abs(number) > largest))
    total = np.where(doubt | np.isnan(total), np.inf, total)
    return traced(Value(number, total, is_array), name, *operands)


def has_no_value(operand: Value) -> Any:
    """Return where a computed value is NaN or infinite, which SymPy may have simplified away.

    What follows from such a value, for example a comparison that is false, cannot be judged. What
    follows from an input that is NaN or infinite can.
    """
    return ~np.isfinite(operand.number) if operand.is_computed else np.zeros((), bool)


def _are_whole(a: Value, b: Value) -> Any:
    """Return where both are exact whole numbers, whose sums and products are exact too."""
    exact = (a.bound == 0) & (b.bound == 0)
    whole = (a.number == np.floor(a.number)) & (b.number == np.floor(b.number))
    return exact & whole & (np.abs(a.number) < 4096) & (np.abs(b.number) < 4096)


def add(a: Value, b: Value) -> Value:
    """Add two values."""
    return _sum("add", a.number + b.number, a, b)


def subtract(a: Value, b: Value) -> Value:
    """Subtract a value from another."""
    return _sum("subtract", a.number - b.number, a, b)


def _sum(name: str, number: Any, a: Value, b: Value) -> Value:
    """Return the value of a sum.

    Its rounding error is relative to the terms, because SymPy multiplies factors into them,
    flattens nested sums, and adds in its own order.
    """
    terms = a.terms + b.terms
    parts = np.where(_are_whole(a, b), 0, terms)
    result = rounded(name, number, a.bound + b.bound, (a, b), parts=parts)
    result._terms = terms
    return result


def multiply(a: Value, b: Value) -> Value:
    """Multiply two values."""
    number = a.number * b.number
    bound = np.abs(a.number) * b.bound + np.abs(b.number) * a.bound + a.bound * b.bound
    parts = np.where(_are_whole(a, b), 0, np.abs(number))
    result = _product("multiply", number, bound, a, b, False, a.exponents + b.exponents, parts)
    result._terms = _scaled(a, b) if a._terms is None else _scaled(b, a)
    return result


def _scaled(factor: Value, total: Value) -> Any:
    """Return the terms of a sum that SymPy multiplies a scalar into; None if it is not a sum."""
    if total._terms is None or factor.is_array:
        return None
    return np.abs(factor.number) * total.terms


def divide(a: Value, b: Value) -> Value:
    """Divide a value by another.

    There is no bound where rounding can change the sign of the divisor, or where the divisor is a
    computed zero: SymPy does not keep the sign of a zero.
    """
    number = a.number / b.number
    left = np.abs(b.number) - b.bound
    doubt = ((b.bound > 0) | b.is_computed) & (left <= 0)
    bound = (a.bound + np.abs(number) * b.bound) / np.where(left > 0, left, 1)
    return _product("divide", number, bound, a, b, doubt, a.exponents + b.exponents)


def power(a: Value, b: Value) -> Value:
    """Raise a value to a power; repeated factors add their rounding errors to the bound."""
    number = _power(a.number, b.number)
    bound, doubt = np.zeros_like(number), np.zeros(np.shape(number), bool)
    if a.bound.any() or b.bound.any():
        for base in (a.number - a.bound, a.number + a.bound):
            for exponent in (b.number - b.bound, b.number + b.bound):
                other = _power(base, exponent)
                doubt |= np.isnan(other) != np.isnan(number)
                bound = np.fmax(bound, np.abs(other - number))
    times = np.abs(b.number * np.log(np.abs(np.where(a.number == 0, 1, a.number))))
    is_few = (b.number == np.floor(b.number)) & (np.abs(b.number) <= _MOST_FACTORS)
    factors = 2 + np.where(is_few, np.abs(b.number), np.minimum(times, WIDE(1e9)))
    is_exact = (number == np.floor(number)) & (np.abs(number) < 4096) & is_few & (a.bound == 0)
    parts = np.where(is_exact & (b.bound == 0), 0, factors * np.abs(number))
    exponents = np.abs(b.number) * a.exponents
    # SymPy takes nonnegative factors out of a root, so the root of a 0 product may become NaN.
    is_product = a.origin is not None and a.origin[0] in ("multiply", "divide", "neg")
    doubt |= (a.number == 0) & (b.number != np.floor(b.number)) & is_product
    return _product("power", number, bound, a, b, doubt, exponents, parts)


def _power(base: Any, exponent: Any) -> Any:
    """Return a power as NumPy computes it; half powers are roots, so that of -infinity is NaN."""
    if np.ndim(exponent) == 0 and abs(exponent) == 0.5:
        return np.sqrt(base) if exponent > 0 else 1 / np.sqrt(base)
    return np.power(base, exponent)


def _product(
    name: str,
    number: Any,
    bound: Any,
    a: Value,
    b: Value,
    doubt: Any,
    exponents: Any,
    parts: Any = None,
) -> Value:
    """Return the value of an operation whose factors SymPy reorders."""
    reach = precision.get().reach if a.is_array or b.is_array else SCALAR_REACH
    is_out = exponents > reach
    result = rounded(name, number, bound, (a, b), doubt | is_out, parts)
    result._exponents = exponents
    return result


def remainder(a: Value, b: Value) -> Value:
    """Return the remainder with the sign of the divisor, as numpy.remainder."""
    number = np.remainder(a.number, b.number)
    bound, doubt = a.bound + b.bound * np.abs(np.floor(a.number / b.number)), False
    quotient = [
        np.floor((a.number + x * a.bound) / (b.number + y * b.bound))
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    jumps = np.any([q != quotient[0] for q in quotient], axis=0) & ((a.bound > 0) | (b.bound > 0))
    bound = np.where(jumps, bound + np.abs(b.number) + b.bound, bound)
    doubt = (b.bound > 0) & (np.abs(b.number) <= b.bound)
    parts = np.where(_are_whole(a, b), 0, np.abs(number) + np.abs(b.number))
    return rounded("remainder", number, bound, (a, b), doubt, parts)


def _floor_divide(a: Value, b: Value) -> Value:
    return unary("floor", divide(a, b))


def unary(name: str, x: Any) -> Value:
    """Apply a function of one argument, also at both ends of the interval of its argument."""
    value = as_value(x)
    function = _OF_ARRAYS[name]
    with np.errstate(all="ignore"):
        number = function(value.number)
        reach = value.bound
        if name in _GROWING:
            unit = precision.get().unit if value.is_array else SCALAR_UNIT
            reach = reach + unit * np.abs(value.number)
        ends = [function(value.number - reach), function(value.number + reach)]
        doubt = np.isnan(ends[0]) != np.isnan(number)
        doubt = doubt | (np.isnan(ends[1]) != np.isnan(number))
        if name == "tan":  # Across a pole, the values at the ends do not enclose those between.
            turns = [np.floor((value.number + x) / np.pi + 0.5) for x in (-reach, reach)]
            doubt = doubt | (turns[0] != turns[1])
        bound = np.fmax(np.abs(ends[0] - number), np.abs(ends[1] - number))
        if name in ("sin", "cos"):  # The ends miss the extremes between them.
            bound = np.where(np.isfinite(number), np.minimum(reach, 2), bound)
        is_exact = name in _EXACT
        parts = np.zeros_like(number) if is_exact else 4 * np.abs(number)
        return rounded(name, number, bound, (value,), doubt & (reach > 0), parts)


def angle(y: Value, x: Value) -> Value:
    """The angle of the point (x, y); nothing can be said of it where rounding can turn it round."""
    number = np.arctan2(y.number, x.number)
    reach = y.bound + x.bound
    size = np.hypot(y.number, x.number) - reach
    doubt = (reach > 0) & ((size <= 0) | ((x.number < 0) & (np.abs(y.number) <= y.bound)))
    # The sign of a zero decides between pi and -pi, and SymPy does not keep it.
    doubt |= (y.number == 0) & y.is_computed
    bound = reach / np.where(size > 0, size, 1)
    return rounded("atan2", number, bound, (y, x), doubt, 4 * np.abs(number))


def compare(relation: Any, a: Value, b: Value) -> Truth:
    """Compare two values; doubtful where rounding or SymPy's algebra can change the answer."""
    reach = a.bound + b.bound
    doubtful = (reach > 0) & (np.abs(a.number - b.number) <= reach)
    doubtful = doubtful | np.isinf(reach) | has_no_value(a) | has_no_value(b)
    is_array, is_matrix = a.is_array or b.is_array, a.is_matrix or b.is_matrix
    return Truth(relation(a.number, b.number), doubtful, is_array, is_matrix)


_EXACT = {"abs", "sign", "floor", "ceil"}
_GROWING = {"exp", "expm1", "sinh", "cosh"}
"""Functions whose arguments SymPy may combine, as in exp(a) exp(b) = exp(a + b)."""

_OF_ARRAYS = {row.name: row.of_arrays for row in FUNCTIONS}

Value.operations |= {
    "neg": negate,
    "abs": lambda x: unary("abs", x),
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "truediv": divide,
    "pow": power,
    "mod": remainder,
    "floordiv": _floor_divide,
    "lt": lambda a, b: compare(np.less, a, b),
    "le": lambda a, b: compare(np.less_equal, a, b),
    "gt": lambda a, b: compare(np.greater, a, b),
    "ge": lambda a, b: compare(np.greater_equal, a, b),
}
