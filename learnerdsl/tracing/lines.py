"""Change the lines of a rule: replace parts of them, and leave out those that nothing uses."""

from collections.abc import Mapping, Sequence
from typing import Any

import sympy

from learnerdsl.expr import rebuilt, symbols_in
from learnerdsl.expr import replaced as replaced_in_graph
from learnerdsl.tracing.definition import Assignment


def without_unused(lines: Sequence[Assignment]) -> list[Assignment]:
    """Return the lines that the new value of a state or the parameter depends on."""
    kept: list[Assignment] = []
    needed: set[sympy.Basic] = set()
    for line in reversed(lines):
        if line.target != line.value or line.value in needed:
            kept.insert(0, line)
            needed |= symbols_in(line.expression)
    return kept


def replaced(node: Any, new: Mapping[Any, Any]) -> Any:
    """Return `node` with some subexpressions replaced; SymPy simplifies the arithmetic again."""
    return replaced_in_graph(node, new, _simplified)


def _simplified(node: Any, arguments: tuple[Any, ...]) -> Any:
    if isinstance(node, (sympy.Add, sympy.Mul, sympy.Pow)):
        return node.func(*arguments)
    return rebuilt(node, arguments)
