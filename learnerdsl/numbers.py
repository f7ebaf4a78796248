"""What users give for numbers: of Python, NumPy, SymPy and of libraries with arrays of no axes."""

import math
import operator
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import sympy

_NUMBER_KINDS = "iufV"
"""NumPy's letters for types of whole and real numbers, and for those of others, as bfloat16."""

_SHOWN = 200
"""Letters of a value that an error message shows."""


def as_number(value: Any) -> float | None:
    """The value as a float, or None if it is no real number, or is too large for one.

    NaN and infinity are floats. A truth value, text, a complex number and an array with axes are no
    numbers; an array of no axes is one, of whatever library.
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
    """The value as an int, or None if it is of no type of whole numbers."""
    value = _without_array(value)
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def quoted(value: Any) -> str:
    """The value as an error message shows it."""
    try:
        text = repr(value)
    except Exception:  # of an object of the user, or a number of more digits than Python prints
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _without_array(value: Any) -> Any:
    """The element of an array or NumPy scalar that is a number; None of another one."""
    if isinstance(value, (np.ndarray, np.generic)):
        if np.ndim(value) or value.dtype.kind not in _NUMBER_KINDS or np.ma.isMA(value):
            return None
        return np.asarray(value)[()]
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        try:
            return value.item()
        except Exception:  # of a library: an array without memory, or a traced one
            return None
    return value
