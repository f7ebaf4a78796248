"""Matrices of which only a part may be computed: a choice between a matrix and a number.

A choice by a scalar computes one branch. Sweeps over elements take either, but a function of
matrices needs the whole matrix.
"""

from collections.abc import Collection
from typing import Any

from learnerdsl.expr.adopting import rebuilt
from learnerdsl.expr.functions import expression
from learnerdsl.expr.graph import has, mapped, nodes
from learnerdsl.expr.matrices import (
    Filled,
    MatrixFunction,
    joined_sides,
    sides_of,
    sides_of_node,
)
from learnerdsl.expr.nodes import Where
from learnerdsl.expr.sides import PARAMETER_SIDES, Sides, broadcast, known_sides


def filled(value: Any, wanted: Sides | None) -> Any:
    """Return a value that is to be a matrix of these sides, filled if it may be narrower."""
    own = sides_of(value)
    if wanted is None or (own or wanted) == PARAMETER_SIDES:
        return value  # sweeps fill values with the parameter's shape
    if own is not None and broadcast(own, wanted) != wanted:
        return value  # the compiler says that it does not fit
    root = expression(value)
    return root if _Least([root], ()).of[root] == wanted else Filled(root, *wanted)


def may_be_narrower(value: Any, narrower: Collection[Any]) -> bool:
    """Return whether a matrix may have the sides of a part of it, as its other parts are left out.

    Args:
        value: an expression.
        narrower: values with names of which this is known.
    """
    least = _Least([value], narrower)
    return least.is_part(value)


def with_whole_operands(root: Any, narrower: Collection[Any]) -> Any:
    """Return an expression in which functions of matrices take whole matrices.

    Args:
        root: an expression.
        narrower: values with names that `may_be_narrower`.
    """
    if not has(root, MatrixFunction):
        return root
    least = _Least([root], narrower)
    functions = [node for node in least.full if isinstance(node, MatrixFunction)]
    parts = {a for node in functions for a in node.matrices if least.is_part(a)}
    if not parts:
        return root
    inside = {part: set(nodes([part], frozenset(functions))) for part in parts}
    named = {part for part in parts if not inside[part].isdisjoint(narrower)}
    choices = {n for part in parts - named for n in inside[part] if isinstance(n, Where)}

    def change(node: Any, arguments: tuple[Any, ...]) -> Any:
        pairs = zip(node.args, arguments, strict=True)
        if isinstance(node, MatrixFunction):
            arguments = tuple(least.whole(old, new) if old in named else new for old, new in pairs)
        elif node in choices:
            arguments = tuple(
                new if old is node.condition else least.in_choice(node, old, new)
                for old, new in pairs
            )
        same = all(a is b for a, b in zip(arguments, node.args, strict=True))
        return node if same else rebuilt(node, arguments)

    return mapped(root, change)


class _Least:
    """The sides of the nodes of expressions: of what is computed at least, and in full.

    Attributes:
        full: node -> the sides of its value, None for a number.
        of: node -> those of the narrowest value that it may have.
    """

    def __init__(self, roots: list[Any], narrower: Collection[Any]) -> None:
        named = known_sides.get() or {}
        self.full: dict[Any, Sides | None] = {}
        self.of: dict[Any, Sides | None] = {}
        for node in nodes(roots):
            self.full[node] = sides_of_node(node, self.full, named)
            if isinstance(node, MatrixFunction):
                self.of[node] = self.full[node]  # its operands are whole
            elif isinstance(node, Where):
                self.of[node] = self.of_choice(node)
            else:
                self.of[node] = None if node in narrower else sides_of_node(node, self.of, named)

    def of_choice(self, node: Where) -> Sides | None:
        """Return the sides of a choice: if a scalar decides, one branch alone is computed."""
        condition = self.of[node.condition]
        for branch in (node.then, node.otherwise):
            own = joined_sides([condition, self.of[branch]])
            if own != self.full[node]:
                return own
        return self.full[node]

    def is_part(self, node: Any) -> bool:
        """Return whether a matrix may be computed in part."""
        return self.full[node] is not None and self.full[node] != self.of[node]

    def whole(self, node: Any, new: Any) -> Any:
        """Return the new value of a node, filled."""
        wanted = self.full[node]
        return new if wanted is None else Filled(new, *wanted)

    def in_choice(self, node: Where, branch: Any, new: Any) -> Any:
        """Return the new value of a branch, with the sides of the choice."""
        own = joined_sides([self.full[node.condition], self.full[branch]])
        return new if own == self.full[node] else self.whole(node, new)
