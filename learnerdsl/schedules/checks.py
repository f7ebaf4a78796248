"""Arguments of schedules, checked and exact: whole numbers become SymPy integers."""

import contextlib
import math
from collections.abc import Collection, Iterable
from numbers import Real
from typing import Any

import sympy

from learnerdsl.errors import HyperparameterError

EXACT = 2**53
"""Up to here every whole number is a float of its own."""

LONGEST_SHOWN = 200


def number(name: str, value: Any) -> sympy.Expr:
    """A number as SymPy has it; np.float32 too, which SymPy would take for a less exact one."""
    if isinstance(value, sympy.Expr) and value.is_number and value.is_extended_real:
        return value
    given = as_float(value)
    if not math.isnan(given):
        is_exact = abs(given) <= EXACT and given.is_integer()
        return sympy.Integer(int(given)) if is_exact else sympy.sympify(given)
    msg = (
        f"{name} of a schedule is a number that is not NaN, got {shown(value)}; "
        "schedules are combined by arithmetic: schedule + schedule, schedule * 0.1."
    )
    raise HyperparameterError(msg)


def as_float(value: Any) -> float:
    """A real number as a float, NaN if it is none or too large for one."""
    if isinstance(value, Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            return float(value)
    return math.nan


def not_negative(name: str, value: Any) -> sympy.Expr:
    """A number from 0 on."""
    checked = number(name, value)
    if checked < 0:
        msg = f"{name} of a schedule is not negative, got {name}={value!r}."
        raise HyperparameterError(msg)
    return checked


def positive(name: str, value: Any) -> sympy.Expr:
    """A number above 0."""
    checked = number(name, value)
    if checked <= 0:
        msg = f"{name} of a schedule is positive, got {name}={value!r}."
        raise HyperparameterError(msg)
    return checked


def duration(name: str, value: Any) -> sympy.Expr:
    """A positive number of updates, whole or not."""
    if not 0 < as_float(value) < math.inf:
        msg = f"A schedule lasts a positive number of updates, got {name}={shown(value)}."
        raise HyperparameterError(msg)
    return number(name, value)


def count(name: str, value: Any, least: int = 1) -> int:
    """A whole number of updates, `least` or more."""
    given = as_float(value)
    if not given.is_integer() or not least <= value <= EXACT:
        msg = f"{name} of a schedule is a whole number, {least} or more, got {name}={shown(value)}."
        raise HyperparameterError(msg)
    return int(given)


def update_number(value: Any) -> float:
    """The number of an update; between two whole ones too, for a plot."""
    given = as_float(value)
    if given >= 1 and value <= EXACT:
        return int(given) if given.is_integer() else given
    msg = (
        f"Updates are counted from 1, to 2**53 at most, so a schedule has no value at step "
        f"{shown(value)}; after k updates it is schedule(k + 1), and schedule.values(n) are the "
        "first n."
    )
    raise HyperparameterError(msg)


def listed(name: str, values: Any) -> list[Any]:
    """A list of what was given in some sequence."""
    if isinstance(values, Iterable) and not isinstance(values, str):
        return list(values)
    msg = f"{name} of a schedule are a list, got {shown(values)}; write [...]."
    raise HyperparameterError(msg)


def shown(value: Any) -> str:
    """A value as it was written, or what it is where that would be long."""
    try:
        written = repr(value)
    except (ValueError, RecursionError):  # whole numbers of thousands of digits
        return f"one {type(value).__name__}"
    return written if len(written) <= LONGEST_SHOWN else f"{written[:LONGEST_SHOWN]}..."


def share(name: str, value: Any) -> float:
    """A fraction of a schedule's length: more than 0, less than 1."""
    given = as_float(value)
    if not 0 < given < 1:
        msg = f"{name} is a fraction of the updates between 0 and 1, got {name}={shown(value)}."
        raise HyperparameterError(msg)
    return given


def choice(name: str, value: Any, known: Collection[str]) -> str:
    """One of the known words."""
    if not isinstance(value, str) or value not in known:
        msg = f"{name} of a schedule is one of {', '.join(map(repr, known))}; got {value!r}."
        raise HyperparameterError(msg)
    return value


def boundaries_between(things: str, amount: int, boundaries: Any) -> list[int]:
    """Increasing numbers of updates, one fewer than the things that they separate."""
    given = listed("boundaries", boundaries)
    whole = [count("a boundary", boundary, least=0) for boundary in given]
    if len(whole) != amount - 1 or whole != sorted(set(whole)):
        msg = f"{amount} {things} need {amount - 1} increasing boundaries; got {given}."
        raise HyperparameterError(msg)
    return whole
