"""Arguments of schedules, checked and exact: whole numbers become SymPy integers."""

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from typing import Any

import sympy

from learnerdsl.errors import HyperparameterError

EXACT = 2**53
"""Up to here every whole number is a float of its own."""


def number(name: str, value: Any) -> sympy.Expr:
    """A number as SymPy has it; np.float32 too, which SymPy would take for a less exact one."""
    if isinstance(value, sympy.Expr) and value.is_number and value.is_extended_real:
        return value
    if isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value):
        given = float(value)
        is_exact = abs(given) <= EXACT and given.is_integer()
        return sympy.Integer(int(given)) if is_exact else sympy.sympify(given)
    msg = (
        f"{name} of a schedule is a number that is not NaN, got {value!r}; "
        "schedules are combined by arithmetic: schedule + schedule, schedule * 0.1."
    )
    raise HyperparameterError(msg)


def not_negative(name: str, value: Any) -> sympy.Expr:
    """A number from 0 on."""
    checked = number(name, value)
    if checked < 0:
        msg = f"{name} of a schedule is not negative, got {name}={value!r}."
        raise HyperparameterError(msg)
    return checked


def duration(name: str, value: Any) -> sympy.Expr:
    """A positive number of updates, whole or not."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 < float(value) < math.inf:
        msg = f"A schedule lasts a positive number of updates, got {name}={value!r}."
        raise HyperparameterError(msg)
    return number(name, value)


def count(name: str, value: Any, least: int = 1) -> int:
    """A whole number of updates, `least` or more."""
    is_whole = isinstance(value, Integral) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not is_whole or value < least:
        msg = f"{name} of a schedule is a whole number, {least} or more, got {name}={value!r}."
        raise HyperparameterError(msg)
    return int(value)


def share(name: str, value: Any) -> float:
    """A fraction of a schedule's length: more than 0, less than 1."""
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        msg = f"{name} is a fraction of the updates between 0 and 1, got {name}={value!r}."
        raise HyperparameterError(msg)
    return float(value)


def choice(name: str, value: Any, known: Collection[str]) -> str:
    """One of the known words."""
    if not isinstance(value, str) or value not in known:
        msg = f"{name} of a schedule is one of {', '.join(map(repr, known))}; got {value!r}."
        raise HyperparameterError(msg)
    return value


def boundaries_between(things: str, amount: int, boundaries: Sequence[Any]) -> list[int]:
    """Increasing numbers of updates, one fewer than the things that they separate."""
    given = list(boundaries)
    whole = [count("a boundary", boundary, least=0) for boundary in given]
    if len(whole) != amount - 1 or whole != sorted(set(whole)):
        msg = f"{amount} {things} need {amount - 1} increasing boundaries; got {given}."
        raise HyperparameterError(msg)
    return whole
