"""Find functions of matrices that are needed only under a condition, such as every tenth step.

`jnp.where` computes both of its branches. A decomposition takes so long that it is worth a
`lax.cond`, which computes one.
"""

from dataclasses import dataclass, field
from typing import Any

from learnerdsl.export.statements import Body, Statement
from learnerdsl.expr import (
    AllRows,
    MatMul,
    MatrixDraw,
    MatrixFunction,
    Not,
    PutRows,
    TakeRows,
    TopRows,
    Where,
    nodes,
    symbols_in,
)
from learnerdsl.xla.wholes import Whole

Need = tuple[Any, bool]
"""A condition, and whether it must hold or must not."""


_SLOW = (AllRows, MatMul, PutRows, TakeRows, TopRows)
"""Functions of matrices that sort, gather or multiply."""


def is_slow(expression: Any) -> bool:
    """Return whether an expression has decompositions or draws of matrices, or what is `_SLOW`."""
    if any(isinstance(node, MatrixDraw) for node in nodes([expression])):
        return True
    functions = (n for n in nodes([expression]) if isinstance(n, MatrixFunction))
    return any(isinstance(n, _SLOW) or n.is_decomposition for n in functions)


def is_lazy(expression: Any, body: Body) -> bool:
    """Return whether an expression is a choice by a scalar, with a slow branch."""
    if not isinstance(expression, Where) or not body.is_scalar(expression.condition):
        return False
    return any(map(is_slow, expression.args[1:]))


@dataclass
class Needs:
    """The conditions under which the statements of a variant are needed.

    Attributes:
        body: the variant, after its scalars were rounded.
        of: symbol of a slow value -> the condition under which something uses it.
    """

    body: Body
    of: dict[Any, Need] = field(default_factory=dict[Any, Need])

    def __post_init__(self) -> None:
        """Find them, the last statement first, as a need passes on to what a value is made of."""
        body = self.body
        always = set(body.new.values()) | symbols_in(*(one.node for one in body.sums))
        uses: dict[Any, set[Need | None]] = {symbol: {None} for symbol in always}
        for place in reversed(range(len(body.statements))):
            statement = body.statements[place]
            found = uses.get(statement.symbol, {None})
            need = next(iter(found)) if len(found) == 1 else None
            is_worth = need is not None and _is_worth(statement.expression, need)
            if need is not None and is_worth and self._is_known(need[0], place):
                self.of[statement.symbol] = need
            under = self.of.get(statement.symbol)
            for symbol, own in _uses(statement.expression, under, body):
                uses.setdefault(symbol, set()).add(own)

    def _is_known(self, condition: Any, place: int) -> bool:
        """Return whether a condition can be computed before the statement at a place."""
        body = self.body
        own = body.statements[place]
        before = {s.symbol for s in body.statements[:place]}
        level = body.level[own.symbol]
        computed = {s.symbol for s in body.statements} | {one.symbol for one in body.sums}
        return all(
            symbol not in computed
            or body.level[symbol] < level
            or (symbol in before and body.level[symbol] == level)
            for symbol in symbols_in(condition)
        )

    def condition(self, symbol: Any) -> Any:
        """Return the condition under which a value is computed, or None if it always is."""
        if symbol not in self.of:
            return None
        condition, holds = self.of[symbol]
        return condition if holds else Not(condition)

    def value(self, statement: Statement) -> Any:
        """Return what a statement computes where it is needed."""
        value = statement.expression
        choice = _choice_in(value)
        if statement.symbol in self.of and isinstance(choice, Where):
            condition, holds = self.of[statement.symbol]
            if choice.condition == condition:
                branch = choice.args[1 if holds else 2]
                return branch if choice is value else Whole(branch)
        return value


def _is_worth(expression: Any, need: Need) -> bool:
    """Return whether a value is computed only where it is needed.

    Products are, if that is where a condition holds: the other branch is the usual one of a choice.
    """
    if not is_slow(expression):
        return False
    functions = [n for n in nodes([expression]) if isinstance(n, MatrixFunction)]
    return need[1] or any(n.is_decomposition for n in functions)


def _choice_in(expression: Any) -> Any:
    """Return an expression, or what is made whole in it."""
    return expression.args[0] if isinstance(expression, Whole) else expression


def _uses(expression: Any, under: Need | None, body: Body) -> list[tuple[Any, Need | None]]:
    """Return the symbols in an expression, each with the need under which it is used there.

    Of conditions one in the other, the innermost counts.
    """
    expression = _choice_in(expression)
    if not isinstance(expression, Where) or not body.is_scalar(expression.condition):
        return [(symbol, under) for symbol in symbols_in(expression)]
    found = [(symbol, under) for symbol in symbols_in(expression.condition)]
    for branch, holds in zip(expression.args[1:], (True, False), strict=True):
        found += _uses(branch, (expression.condition, holds), body)
    return found
