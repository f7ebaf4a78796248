"""Checks of arguments: each returns the value in the form that is used, or raises.

The error says what was given, why it cannot be used, and what to give instead.
"""

import math
import os
from collections.abc import Callable, Iterable
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from learnerdsl.errors import DtypeError, HyperparameterError, LearnerError

Kind = TypeVar("Kind")

LARGEST = 2**63 - 1
"""The largest number of samples, axes or elements that is accepted."""


def shown(value: Any, most: int = 80) -> str:
    """Return `value` as one line of text for a message, cut if it is long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an int with more digits than Python prints
        text = f"<{type(value).__name__}, too long to print>"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def is_whole(value: Any) -> bool:
    """Return whether a value is an int of Python or NumPy, and not a bool."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def real(
    name: str,
    value: Any,
    needed: str = "a number",
    error: type[LearnerError] = HyperparameterError,
) -> float:
    """Return a number as a Python float; NaN and infinity are accepted."""
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:  # an int beyond the range of floats
            needed += " in the range of floats"
    msg = f"{name} must be {needed}, got {shown(value)}."
    raise error(msg)


def number(
    name: str,
    value: Any,
    fits: Callable[[float], bool] = math.isfinite,
    needed: str = "a finite number",
    error: type[LearnerError] = HyperparameterError,
) -> float:
    """Return a number as a Python float, or raise unless it fits.

    Args:
        name: name of the argument, for the message.
        value: the argument.
        fits: returns whether a number can be used; NaN never fits.
        needed: the numbers that fit, in words.
        error: class of the error.
    """
    given = real(name, value, needed, error)
    if not math.isnan(given) and fits(given):
        return given
    msg = f"{name} must be {needed}, got {shown(value)}."
    raise error(msg)


def whole(
    name: str, value: Any, least: int = 0, error: type[LearnerError] = HyperparameterError
) -> int:
    """Return an int, or raise unless it is at least `least`, 0 or 1."""
    if is_whole(value) and least <= value <= LARGEST:
        return int(value)
    kind = "a positive int" if least else "a non-negative int"
    if is_whole(value) and value > LARGEST:
        kind += " below 2**63"
    msg = f"{name} must be {kind}, got {shown(value)}."
    raise error(msg)


def whole_or_none(name: str, value: Any, least: int = 0) -> int | None:
    """Return an int as `whole` does, or None if the value is None."""
    return None if value is None else whole(name, value, least)


def flag(name: str, value: Any, error: type[LearnerError] = HyperparameterError) -> bool:
    """Return True or False, or raise if the value is neither."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    msg = f"{name} must be True or False, got {shown(value)}."
    raise error(msg)


def function(name: str, value: Any, takes: str) -> Callable[..., Any]:
    """Return `value`, or raise unless it can be called; `takes` names its arguments."""
    if callable(value):
        return value
    msg = f"{name} must be a function of {takes}, got {shown(value)}."
    raise HyperparameterError(msg)


def several(name: str, given: Any, kind: type[Kind]) -> tuple[Kind, ...]:
    """Return one object of a kind, or several, as a tuple."""
    if isinstance(given, kind):
        return (given,)
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    for one in found:
        if not isinstance(one, kind):
            msg = (
                f"{name}: {shown(one)} is of type {type(one).__name__}, not {kind.__name__}; "
                f"give one {kind.__name__} or a list of them."
            )
            raise DtypeError(msg)
    return found


def path(name: str, value: Any) -> Path:
    """Return `value` as a path, or raise if it cannot be the path of a file."""
    given = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(given, str) and given and "\0" not in given and Path(given).name:
        return Path(given)
    msg = f"{name} must be a path, text or a pathlib.Path, got {shown(value)}."
    raise HyperparameterError(msg)
