"""List the equations of a rule in order, with names for what long expressions repeat."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sympy

from learnerdsl.expr import Named, nodes, rebuilt, replaced, size_and_depth, uses
from learnerdsl.tracing import Rule

LONG = 150
"""Nodes of an expression, written as a tree, from which on repeated parts get names."""

_SMALLEST_PART = 5


@dataclass(frozen=True)
class Equation:
    """A line of the mathematics of a rule.

    Attributes:
        symbol: what gets a value.
        expression: the value.
        target: the state or parameter whose new value it is; else the symbol itself.
    """

    symbol: sympy.Symbol
    expression: Any
    target: sympy.Symbol


def equations(rule: Rule) -> list[Equation]:
    """Return the lines of a rule, each after the repeated parts that it uses."""
    found: list[Equation] = []
    parts: dict[Any, Any] = {}
    taken = {symbol.name for symbol in _symbols(rule)}
    for line in rule.lines:
        is_long = size_and_depth(line.expression)[0] > LONG
        for part in _repeated(line.expression) if is_long else ():
            if part not in parts:
                expression = replaced(part, parts, rebuilt)
                symbol = Named(_free("part", taken), rule.name)
                found.append(Equation(symbol, expression, symbol))
                parts[part] = symbol
        expression = replaced(line.expression, parts, rebuilt)
        found.append(Equation(line.value, expression, line.target))
    return found


def _symbols(rule: Rule) -> Iterator[Any]:
    for line in rule.lines:
        yield line.target
        yield from (node for node in nodes([line.expression]) if isinstance(node, sympy.Symbol))


def _repeated(expression: Any) -> list[Any]:
    """Return the parts that occur more than once, each after those within it."""
    counted = uses([expression])
    return [
        node
        for node in nodes([expression])
        if counted[node] > 1
        and isinstance(node, sympy.Expr)
        and node.args
        and not node.is_number
        and size_and_depth(node)[0] >= _SMALLEST_PART
    ]


def _free(stem: str, taken: set[str]) -> str:
    """Return a name with a number that no symbol has, and take it."""
    number = 1
    while f"{stem}_{number}" in taken:
        number += 1
    taken.add(f"{stem}_{number}")
    return f"{stem}_{number}"
