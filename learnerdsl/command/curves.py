"""Evaluate schedules that a command line gives."""

import ast
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl import schedules
from learnerdsl.errors import HyperparameterError, LearnerError, UnknownNameError, suggestion
from learnerdsl.expr import step

STEPS = 1000
"""Number of updates that are shown of a schedule that does not say how many it has."""


@dataclass(frozen=True)
class Curve:
    """A schedule over the updates.

    Attributes:
        text: how it was written.
        values: its value at each update (updates,).
    """

    text: str
    values: np.ndarray

    def described(self) -> dict[str, Any]:
        """Return the curve as JSON can write it."""
        return {"schedule": self.text, "values": self.values.tolist()}


def values(text: str, steps: int | None) -> Curve:
    """Return the values of a schedule.

    Args:
        text: a call of a function of `learnerdsl.schedules`, or an expression of calls and `step`.
        steps: number of updates; None for the largest whole number named `steps` in the text.

    Raises:
        LearnerError: the text is no schedule.
    """
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        msg = f"The schedule {text!r} is not Python: {error.msg}; write cosine(1e-3, steps=1000)."
        raise HyperparameterError(msg) from None
    known = {n: v for n, v in vars(schedules).items() if callable(v) and not n.startswith("_")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in {*known, "step"}:
            hint = suggestion(node.id, known) or f"there are {', '.join(sorted(known))}."
            msg = f"There is no schedule {node.id!r}; {hint}"
            raise UnknownNameError(msg)
        if isinstance(node, ast.Attribute):
            msg = f"A schedule is written without dots, got {text!r}; write cosine(1e-3, steps=10)."
            raise HyperparameterError(msg)
    try:
        made = eval(
            compile(tree, "<schedule>", "eval"), {"__builtins__": {}, "step": step, **known}
        )
        if not isinstance(made, schedules.Schedule):
            made = schedules.Schedule(made)
        return Curve(text, np.asarray(made.values(steps or _steps_in(tree)), float))
    except LearnerError:
        raise
    except Exception as error:
        msg = f"The schedule {text!r} cannot be evaluated: {type(error).__name__}: {error}."
        raise HyperparameterError(msg) from None


def _steps_in(tree: ast.AST) -> int:
    """Return the largest number of updates that a text names; `STEPS` if it names none."""
    found = [
        keyword.value.value
        for keyword in ast.walk(tree)
        if isinstance(keyword, ast.keyword)
        and keyword.arg is not None
        and "steps" in keyword.arg
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, int)
    ]
    return max(found, default=STEPS) or STEPS
