"""Check the arguments of schedules, and make whole numbers exact SymPy integers."""

import contextlib
import math
from collections.abc import Collection, Iterable
from numbers import Real
from typing import Any

import sympy

from learnerdsl.errors import HyperparameterError

EXACT = 2**53
"""Float64 represents every whole number up to here exactly."""

LONGEST_SHOWN = 200


def number(name: str, value: Any) -> sympy.Expr:
    """Return a number as a SymPy number; np.float32 with its full float64 value."""
    if isinstance(value, sympy.Expr) and value.is_number and value.is_extended_real:
        return value
    given = as_float(value)
    if not math.isnan(given):
        is_exact = abs(given) <= EXACT and given.is_integer()
        return sympy.Integer(int(given)) if is_exact else sympy.sympify(given)
    msg = (
        f"{name} of a schedule must be a number that is not NaN, got {shown(value)}; "
        "combine schedules by arithmetic: schedule + schedule, schedule * 0.1."
    )
    raise HyperparameterError(msg)


def as_float(value: Any) -> float:
    """Return a real number as a float; NaN if it is not one or too large."""
    if isinstance(value, Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            return float(value)
    return math.nan


def not_negative(name: str, value: Any) -> sympy.Expr:
    """Return a number, or raise if it is negative."""
    checked = number(name, value)
    if checked < 0:
        msg = f"{name} of a schedule must not be negative, got {name}={value!r}."
        raise HyperparameterError(msg)
    return checked


def positive(name: str, value: Any) -> sympy.Expr:
    """Return a number, or raise if it is not positive."""
    checked = number(name, value)
    if checked <= 0:
        msg = f"{name} of a schedule must be positive, got {name}={value!r}."
        raise HyperparameterError(msg)
    return checked


def duration(name: str, value: Any) -> sympy.Expr:
    """Return a positive number of updates, which may be a fraction."""
    if not 0 < as_float(value) < math.inf:
        msg = f"A schedule must last a positive number of updates, got {name}={shown(value)}."
        raise HyperparameterError(msg)
    return number(name, value)


def count(name: str, value: Any, least: int = 1) -> int:
    """Return a whole number of updates, or raise if it is less than `least`."""
    given = as_float(value)
    if not given.is_integer() or not least <= value <= EXACT:
        msg = (
            f"{name} of a schedule must be a whole number, {least} or more, got "
            f"{name}={shown(value)}."
        )
        raise HyperparameterError(msg)
    return int(given)


def update_number(value: Any) -> float:
    """Return the number of an update, or raise; fractions are allowed, for plots."""
    given = as_float(value)
    if given >= 1 and value <= EXACT:
        return int(given) if given.is_integer() else given
    msg = (
        f"Updates are counted from 1, to 2**53 at most, so a schedule has no value at step "
        f"{shown(value)}; after k updates it is schedule(k + 1), and schedule.values(n) has the "
        "first n values."
    )
    raise HyperparameterError(msg)


def listed(name: str, values: Any) -> list[Any]:
    """Return the items of an iterable as a list, or raise."""
    if isinstance(values, Iterable) and not isinstance(values, str):
        return list(values)
    msg = f"{name} of a schedule must be a list, got {shown(values)}; write [...]."
    raise HyperparameterError(msg)


def shown(value: Any) -> str:
    """Return the text of a value for an error message, shortened if it is long."""
    try:
        written = repr(value)
    except (ValueError, RecursionError):  # whole numbers of thousands of digits
        return f"one {type(value).__name__}"
    return written if len(written) <= LONGEST_SHOWN else f"{written[:LONGEST_SHOWN]}..."


def share(name: str, value: Any) -> float:
    """Return a fraction of a schedule's length, or raise unless it is between 0 and 1."""
    given = as_float(value)
    if not 0 < given < 1:
        msg = (
            f"{name} must be a fraction of the updates, between 0 and 1, got {name}={shown(value)}."
        )
        raise HyperparameterError(msg)
    return given


def choice(name: str, value: Any, known: Collection[str]) -> str:
    """Return a word, or raise if it is not one of the known ones."""
    if not isinstance(value, str) or value not in known:
        msg = f"{name} of a schedule must be one of {', '.join(map(repr, known))}, got {value!r}."
        raise HyperparameterError(msg)
    return value


def boundaries_between(things: str, amount: int, boundaries: Any) -> list[int]:
    """Return increasing numbers of updates, one fewer than the things they separate, or raise."""
    given = listed("boundaries", boundaries)
    whole = [count("a boundary", boundary, least=0) for boundary in given]
    if len(whole) != amount - 1 or whole != sorted(set(whole)):
        msg = f"{amount} {things} need {amount - 1} increasing boundaries, got {given}."
        raise HyperparameterError(msg)
    return whole
