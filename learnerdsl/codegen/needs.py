"""Find products of matrices that are needed only under a condition, such as every tenth step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import sympy

from learnerdsl.expr import Identity, MatrixFunction, Transpose, Where, nodes
from learnerdsl.ir import Compute

Need = tuple[Any, bool]
"""A condition, and whether it must hold or must not."""


def needs_of(
    computes: Sequence[Compute], kept: set[sympy.Basic], is_choice: Callable[[Any], bool]
) -> dict[sympy.Basic, Need]:
    """Return the values that only branches of choices use -> what these branches need.

    Args:
        computes: the statements of a block, in order.
        kept: symbols of values that the block stores, or that later blocks use.
        is_choice: whether a condition is one of scalars, so that one branch is computed.

    Returns:
        Symbol of a value that takes long -> a condition that all its uses have in common.
    """
    uses: dict[Any, set[Need]] = {symbol: set() for symbol in kept}
    found: dict[sympy.Basic, Need] = {}
    for compute in reversed(computes):
        above = uses.get(compute.symbol, set())
        if above and _takes_long(compute.expression):
            found[compute.symbol] = min(above, key=str)
        # What is computed only if it is needed uses others only then.
        for symbol, branches in _uses(compute.expression, frozenset(), is_choice):
            own = branches | ({found[compute.symbol]} if compute.symbol in found else set())
            uses[symbol] = uses[symbol] & own if symbol in uses else set(own)
    return found


def chosen_by(need: Need | None, compute: Compute) -> Compute:
    """Return a statement with the branch that a condition chooses in place of a choice by it."""
    whole = compute.expression
    if need is None or not isinstance(whole, Where) or whole.condition != need[0]:
        return compute
    return replace(compute, expression=whole.then if need[1] else whole.otherwise)


def _takes_long(expression: Any) -> bool:
    functions = (n for n in nodes([expression]) if isinstance(n, MatrixFunction))
    return any(not isinstance(n, (Transpose, Identity)) for n in functions)


def _uses(
    expression: Any, branches: frozenset[Need], is_choice: Callable[[Any], bool]
) -> Iterator[tuple[Any, frozenset[Need]]]:
    """Yield each symbol with the branches of choices that it is in."""
    if isinstance(expression, sympy.Symbol):
        yield expression, branches
    elif isinstance(expression, Where) and is_choice(expression.condition):
        condition = expression.condition
        yield from _uses(condition, branches, is_choice)
        yield from _uses(expression.then, branches | {(condition, True)}, is_choice)
        yield from _uses(expression.otherwise, branches | {(condition, False)}, is_choice)
    else:
        for argument in expression.args:
            yield from _uses(argument, branches, is_choice)
