"""Refuse expressions of schedules that cannot be computed, before any is evaluated."""

from typing import Any

import sympy

from learnerdsl.errors import HyperparameterError
from learnerdsl.expr import step
from learnerdsl.schedules.checks import shown
from learnerdsl.schedules.evaluation import is_known, unknown

DEEPEST = 100
LONGEST = 100_000
TOO_LONG = (
    "The expression of a schedule is too long or nested too deeply to be computed as one formula; "
    "give the hyperparameter a function of the step instead."
)


def checked_depth(expression: Any) -> int:
    """Return the nesting depth of an expression, or raise if it cannot be a schedule."""
    if not isinstance(expression, sympy.Expr):
        msg = f"A schedule must be a SymPy expression of learnerdsl.step, got {shown(expression)}."
        raise HyperparameterError(msg)
    levels = _levels(expression)
    foreign = set()
    for node in (node for level in levels for node in level):
        if node.is_Symbol and node != step:
            foreign.add(str(node))
        else:
            _check_node(expression, node)
    if foreign:
        msg = (
            f"The schedule {shown(expression)} depends on {', '.join(sorted(foreign))}; "
            "only learnerdsl.step may appear in it (within a rule write schedule.expression)."
        )
        raise HyperparameterError(msg)
    return len(levels)


def _levels(expression: sympy.Expr) -> list[list[Any]]:
    """Return the nodes by depth, without recursion, which a deep expression would exceed."""
    levels: list[list[Any]] = []
    # Count nodes per level by identity, because SymPy's == is recursive.
    level, total = {id(expression): (expression, 1)}, 0
    while level:
        levels.append([node for node, _ in level.values()])
        total += sum(amount for _, amount in level.values())
        if len(levels) > DEEPEST or total > LONGEST:
            raise HyperparameterError(TOO_LONG)
        below: dict[int, tuple[Any, int]] = {}
        for node, amount in level.values():
            for argument in node.args:
                below[id(argument)] = argument, amount + below.get(id(argument), (None, 0))[1]
        level = below
    return levels


def _check_node(expression: sympy.Expr, node: Any) -> None:
    """Refuse a node without a value, an unknown function, or a number that is not a float."""
    if node in (sympy.nan, sympy.zoo):
        msg = f"The schedule {shown(expression)} has no value; look for a division by zero."
        raise HyperparameterError(msg)
    if not is_known(node):
        raise HyperparameterError(unknown(node))
    if node.is_Number and node.is_finite and not _is_float(node):
        msg = (
            f"The schedule has the number {shown(node)}, which is too large or too small for "
            "float64."
        )
        raise HyperparameterError(msg)
    if node.args and node.is_number and node.is_extended_real is False:
        msg = f"The schedule {shown(expression)} has {shown(node)}, which is not a real number."
        raise HyperparameterError(msg)


def _is_float(number: Any) -> bool:
    try:
        value = float(number)
    except OverflowError:
        return False
    return abs(value) != float("inf") and (value != 0 or number == 0)
