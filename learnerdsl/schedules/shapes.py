"""Ways from one value to another: what is left of the distance after a part of the time."""

from typing import Any

import sympy

from learnerdsl.schedules.checks import choice
from learnerdsl.schedules.definition import updates_done

LINEAR_OR_COSINE = ("linear", "cosine")
ALL = (*LINEAR_OR_COSINE, "1-sqrt", "1-square")


def progress(steps: Any, begin: Any = 0) -> sympy.Expr:
    """From 0 to 1 in `steps` updates, counted from when `begin` are done; exactly 1 at the end."""
    return sympy.Min(sympy.Max((updates_done - begin) / steps, 0), 1)


def left(part: sympy.Expr, shape: str) -> sympy.Expr:
    """What is left, from 1 to 0, after that part of the time."""
    return {
        "linear": lambda: 1 - part,
        "cosine": lambda: (1 + sympy.cos(sympy.pi * part)) / 2,
        "1-sqrt": lambda: 1 - sympy.sqrt(part),
        "1-square": lambda: 1 - part**2,
    }[choice("shape", shape, ALL)]()


def between(start: sympy.Expr, end: sympy.Expr, remaining: sympy.Expr) -> sympy.Expr:
    """The value with that much of the way from `start` to `end` remaining."""
    return end + (start - end) * remaining
