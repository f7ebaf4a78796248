"""Convert numbers that users give: from Python, NumPy, SymPy, and arrays of shape ()."""

import math
import operator
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import sympy

from learnerdsl.errors import quoted as quoted

_NUMBER_KINDS = "iufV"
"""NumPy's kinds of integers, reals, and types of other packages, such as bfloat16."""


def as_number(value: Any) -> float | None:
    """Return the value as a float, or None if it is not a real number or is too large.

    NaN and infinity are accepted, and so is an array of shape () from any library. Booleans, text,
    complex numbers and arrays with axes are not.
    """
    if type(value) is float:
        return value
    value = _without_array(value)
    if isinstance(value, (bool, np.bool_, np.timedelta64)):
        return None
    is_expression = isinstance(value, sympy.Expr) and value.is_number
    if not is_expression and not isinstance(value, (Real, Decimal, np.generic)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        return None
    if math.isinf(number) and value != number:
        return None
    return number


def as_count(value: Any) -> int | None:
    """Return the value as an int, or None if its type is not one of integers."""
    value = _without_array(value)
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def as_numbers(value: Any) -> tuple[Any, ...] | None:
    """Return a list or tuple of numbers, or of such tuples, as tuples of floats; else None."""
    if not isinstance(value, (tuple, list)) or not value:
        return None
    numbers = tuple(
        as_numbers(one) if isinstance(one, (tuple, list)) else as_number(one) for one in value
    )
    return None if None in numbers else numbers


def _without_array(value: Any) -> Any:
    """Return the element of a numeric array of shape () or NumPy scalar; None for other arrays."""
    if isinstance(value, (np.ndarray, np.generic)):
        if np.ndim(value) or value.dtype.kind not in _NUMBER_KINDS or np.ma.isMA(value):
            return None
        return np.asarray(value)[()]
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        try:
            return value.item()
        except Exception:  # the library's array has no memory, or is being traced
            return None
    return value
