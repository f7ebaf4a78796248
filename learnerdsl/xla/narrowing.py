"""Compute scalars in float64 and round them once, where they meet the elements of a tensor."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from learnerdsl.export.statements import Body, Statement
from learnerdsl.expr import (
    AxisSize,
    Hyperparameter,
    Named,
    Reduction,
    Where,
    rebuilt,
    tensor_size,
)


@dataclass
class Narrowing:
    """The scalars of one variant that meet elements.

    Attributes:
        body: the variant; its statements are replaced.
        narrow: scalar -> the symbol of its rounded value.
    """

    body: Body
    narrow: dict[Any, sympy.Symbol] = field(default_factory=dict[Any, sympy.Symbol])
    _named: dict[Any, sympy.Symbol] = field(default_factory=dict[Any, sympy.Symbol])
    _found: dict[Any, Any] = field(default_factory=dict[Any, Any])
    _added: list[Statement] = field(default_factory=list[Statement])

    @property
    def wide(self) -> dict[Any, Any]:
        """Return the symbol of a rounded value -> the scalar."""
        return {symbol: own for own, symbol in self.narrow.items()}

    def run(self) -> None:
        """Replace the statements by those in which elements meet only rounded scalars."""
        body = self.body
        statements: list[Statement] = []
        for statement in body.statements:
            expression = self.bare(statement.expression)
            is_array = bool(body.axes[statement.symbol])
            if is_array and body.is_scalar(expression) and not expression.is_number:
                expression = self.rounded(expression)
            statements += [*self.take(), replace(statement, expression=expression)]
        for place, one in enumerate(body.sums):
            node = self.bare(one.node)
            statements += self.take()
            body.sums[place] = replace(one, node=node)
        body.statements = statements

    def take(self) -> list[Statement]:
        """Return the statements of the scalars that got a name since the last call."""
        taken, self._added = self._added, []
        return taken

    def bare(self, node: Any) -> Any:
        """Return an expression in which elements meet only rounded scalars."""
        if node not in self._found:
            self._found[node] = self._bare(node)
        return self._found[node]

    def _bare(self, node: Any) -> Any:
        if not node.args:
            return node
        is_scalar = self.body.is_scalar(node)
        if not is_scalar and isinstance(node, (sympy.Add, sympy.Mul)):
            node = self.collected(node)
        arguments = tuple(map(self.bare, node.args))
        if not is_scalar and not isinstance(node, Reduction):
            is_choice = isinstance(node, Where)
            arguments = tuple(
                argument if is_choice and place == 0 else self.at_elements(argument)
                for place, argument in enumerate(arguments)
            )
        same = all(a is b for a, b in zip(arguments, node.args, strict=True))
        return node if same else _rebuilt(node, arguments)

    def collected(self, node: Any) -> Any:
        """Return a sum or product with its scalars joined, so that they are computed in float64."""
        scalars = [a for a in node.args if self.body.is_scalar(a)]
        joined = [a for a in scalars if a not in (1, -1)]
        if len(joined) < 2 or all(a.is_number for a in joined):
            return node
        others = [a for a in node.args if a not in joined]
        scalar = node.func(*joined, evaluate=False)
        return node.func(scalar, *others, evaluate=False)

    def at_elements(self, expression: Any) -> Any:
        """Return an argument of an operation on elements: rounded if it is a scalar."""
        is_number = getattr(expression, "is_number", True)
        if is_number or not self.body.is_scalar(expression):
            return expression
        if not isinstance(expression, sympy.Expr):
            return expression  # a condition
        if isinstance(expression, AxisSize) or expression == tensor_size:
            return expression  # a whole number of Python
        return self.rounded(expression)

    def rounded(self, expression: Any) -> sympy.Symbol:
        """Return the symbol of a scalar's rounded value; compute the scalar in float64 before."""
        wide = expression if expression.is_Symbol else self.named(expression)
        if wide in self.narrow.values():
            return wide
        if wide not in self.narrow:
            symbol = Named(f"{wide}_rounded", self.body.rule.name)
            self.narrow[wide] = symbol
        self.body.axes[self.narrow[wide]] = frozenset()
        return self.narrow[wide]

    def named(self, expression: Any) -> sympy.Symbol:
        """Return the symbol of a scalar, and add the statement that computes it."""
        if expression not in self._named:
            name = self.body.free(_name_of(expression))
            symbol = self._named[expression] = Named(name, self.body.rule.name)
            self.body.axes[symbol] = frozenset()
            self._added.append(Statement(symbol, expression))
        return self._named[expression]


def _rebuilt(node: Any, arguments: Sequence[Any]) -> Any:
    if isinstance(node, (sympy.Add, sympy.Mul)):
        return node.func(*arguments, evaluate=False)
    return rebuilt(node, tuple(arguments))


def _name_of(expression: Any) -> str:
    """Return a name that says what a scalar is."""
    if isinstance(expression, sympy.Add) and len(expression.args) == 2:
        negated = [-a for a in expression.args if isinstance(-a, Hyperparameter)]
        if negated and sympy.S.One in expression.args:
            return f"one_minus_{negated[0]}"
    if isinstance(expression, sympy.Pow) and expression.exp == -1 and expression.base.is_Symbol:
        return f"inverse_{expression.base}"
    return "factor"
