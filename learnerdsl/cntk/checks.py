"""Checks of arguments: each gives the value in the form in which it is used, or an error.

The error says what was written, why it cannot be, and what to write instead.
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
"""The largest number of samples, axes or elements: more than any computer has counted."""


def shown(value: Any, most: int = 80) -> str:
    """`value` as text of one line for a message, cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an int with more digits than Python prints
        text = f"<{type(value).__name__}, too long to print>"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def is_whole(value: Any) -> bool:
    """Whether a value is an int, of Python or NumPy; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def real(
    name: str,
    value: Any,
    needed: str = "a number",
    error: type[LearnerError] = HyperparameterError,
) -> float:
    """A number as a Python float; NaN and infinity are numbers."""
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:  # an int beyond what a float can be
            needed += " that is no larger than a float"
    msg = f"{name} must be {needed}, got {shown(value)}."
    raise error(msg)


def number(
    name: str,
    value: Any,
    fits: Callable[[float], bool] = math.isfinite,
    needed: str = "a finite number",
    error: type[LearnerError] = HyperparameterError,
) -> float:
    """A number as a Python float.

    Args:
        name: of the argument, for the message.
        value: what was given.
        fits: whether it can take a value that is a number; NaN never fits.
        needed: what fits, in words.
        error: raised where it does not fit.
    """
    given = real(name, value, needed, error)
    if not math.isnan(given) and fits(given):
        return given
    msg = f"{name} must be {needed}, got {shown(value)}."
    raise error(msg)


def whole(
    name: str, value: Any, least: int = 0, error: type[LearnerError] = HyperparameterError
) -> int:
    """An int from `least`, 0 or 1."""
    if is_whole(value) and least <= value <= LARGEST:
        return int(value)
    kind = "a positive int" if least else "a non-negative int"
    if is_whole(value) and value > LARGEST:
        kind += " below 2**63"
    msg = f"{name} must be {kind}, got {shown(value)}."
    raise error(msg)


def whole_or_none(name: str, value: Any, least: int = 0) -> int | None:
    """An int from `least`, 0 or 1, or None where nothing was given."""
    return None if value is None else whole(name, value, least)


def flag(name: str, value: Any, error: type[LearnerError] = HyperparameterError) -> bool:
    """True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    msg = f"{name} must be True or False, got {shown(value)}."
    raise error(msg)


def function(name: str, value: Any, takes: str) -> Callable[..., Any]:
    """Something that can be called; `takes` says with what."""
    if callable(value):
        return value
    msg = f"{name} must be a function of {takes}, got {shown(value)}."
    raise HyperparameterError(msg)


def several(name: str, given: Any, kind: type[Kind]) -> tuple[Kind, ...]:
    """A tuple of one or several objects of a kind."""
    if isinstance(given, kind):
        return (given,)
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    for one in found:
        if not isinstance(one, kind):
            msg = (
                f"{name}: {shown(one)} is a {type(one).__name__}, not a {kind.__name__}; "
                f"give one {kind.__name__} or a list of them."
            )
            raise DtypeError(msg)
    return found


def path(name: str, value: Any) -> Path:
    """The path of a file."""
    given = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(given, str) and given and "\0" not in given and Path(given).name:
        return Path(given)
    msg = f"{name} must be named by text or a pathlib.Path, got {shown(value)}."
    raise HyperparameterError(msg)
