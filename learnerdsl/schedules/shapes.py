"""Define shapes of decay: the part of the distance that is left after a part of the time."""

from typing import Any

import sympy

from learnerdsl.schedules.checks import choice
from learnerdsl.schedules.definition import updates_done

LINEAR_OR_COSINE = ("linear", "cosine")
ALL = (*LINEAR_OR_COSINE, "1-sqrt", "1-square")


def progress(steps: Any, begin: Any = 0) -> sympy.Expr:
    """Return the part of `steps` updates that is done, from 0 to exactly 1, after `begin`."""
    return sympy.Min(sympy.Max((updates_done - begin) / steps, 0), 1)


def left(part: sympy.Expr, shape: str) -> sympy.Expr:
    """Return the part of the distance that is left, from 1 to 0, after `part` of the time."""
    return {
        "linear": lambda: 1 - part,
        "cosine": lambda: (1 + sympy.cos(sympy.pi * part)) / 2,
        "1-sqrt": lambda: 1 - sympy.sqrt(part),
        "1-square": lambda: 1 - part**2,
    }[choice("shape", shape, ALL)]()


def between(start: sympy.Expr, end: sympy.Expr, remaining: sympy.Expr) -> sympy.Expr:
    """Return the value for which `remaining` of the way from `start` to `end` is left."""
    return end + (start - end) * remaining
