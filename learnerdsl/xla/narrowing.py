"""Compute scalars in float64 and round them once, where they meet the elements of a tensor."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from learnerdsl.export.statements import Body, Statement
from learnerdsl.expr import (
    AxisSize,
    MatrixDraw,
    Named,
    NarrowDraw,
    Power,
    Reduction,
    Where,
    rebuilt,
    step,
    symbols_in,
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
        body.scalar_of = self.wide

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
        if not node.args or isinstance(node, (MatrixDraw, NarrowDraw)):
            return node  # rounding would join the whole numbers of a draw: seed and step
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


LONGEST = 28
"""Most characters of a name that is made of others."""


def _name_of(expression: Any) -> str:
    """Return a name that says what a scalar is, or "factor" if that would be long."""
    word = _word(expression)
    return word if word is not None and len(word) <= LONGEST else "factor"


def _word(expression: Any) -> str | None:
    """Return a name for a scalar, or None."""
    if expression.is_Symbol:
        return str(expression)
    if isinstance(expression, sympy.Mul):
        return _word_of_product(expression)
    if isinstance(expression, (sympy.Pow, Power)):
        return _word_of_power(expression.args[0], expression.args[1])
    negated = _taken_from_one(expression)
    return f"one_minus_{negated}" if negated is not None and negated.is_Symbol else None


def _word_of_power(base: Any, exponent: Any) -> str | None:
    """Return a name for a power of a symbol, or for 1/(1 - beta**step)."""
    words = {-1: "inverse_{}", 2: "{}_squared", sympy.S.Half: "root_{}"}
    if base.is_Symbol and exponent in words:
        return words[exponent].format(base)
    negated = _taken_from_one(base) if exponent == -1 else None
    if not isinstance(negated, (sympy.Pow, Power)) or not negated.args[0].is_Symbol:
        return None
    return f"correction_{negated.args[0]}" if step in symbols_in(negated.args[1]) else None


def _word_of_product(product: Any) -> str | None:
    """Return a name made of those of the factors."""
    sign = "minus_" if -1 in product.args else ""
    words = [_word(factor) for factor in product.args if factor != -1]
    known = [word for word in words if word is not None]
    if len(known) < len(words):
        return None
    corrections = [word for word in known if word.startswith("correction_")]
    others = [word for word in known if word not in corrections]
    if len(corrections) == len(others) == 1:
        return f"{sign}corrected_{others[0]}"
    divisors = [word.removeprefix("inverse_") for word in known if word.startswith("inverse_")]
    above = [word for word in known if not word.startswith("inverse_")]
    return sign + "_over_".join(["_".join(above), *divisors]) if above else None


def _taken_from_one(expression: Any) -> Any:
    """Return x if an expression is 1 - x."""
    if not isinstance(expression, sympy.Add) or len(expression.args) != 2:
        return None
    rest = [a for a in expression.args if a != 1]
    return -rest[0] if len(rest) == 1 and isinstance(rest[0], sympy.Mul) else None
