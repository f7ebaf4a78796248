"""Mark the matrices that must be whole on each device before functions of matrices use them.

Where arrays are sharded, XLA would communicate in each product of an iteration such as that of
Newton and Schulz. A matrix that is whole before it enters communicates once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from learnerdsl.export.statements import Body, Statement
from learnerdsl.expr import (
    MatrixExtra,
    MatrixFunction,
    MatrixLeaf,
    MatrixState,
    Named,
    Transpose,
    nodes,
    rebuilt,
    replaced,
    symbols_in,
)


class Whole(sympy.Expr):
    """A matrix of which each device has all rows and columns."""

    is_commutative = True
    is_real = True


def gather(body: Body) -> None:
    """Replace the statements of a rule by those whose functions of matrices take whole matrices.

    A value that only functions of matrices use, or that is computed from whole matrices alone, is
    made whole where it is computed. Of another one, the functions get a copy that is whole, so that
    what is computed element by element stays sharded, as the states that are stored.

    Args:
        body: the statements, with rounded scalars where these meet elements.
    """
    functions = list(_functions([s.expression for s in body.statements]))
    if functions:
        _Gathering(body, functions).run()


def _functions(roots: Iterable[Any]) -> Iterable[Any]:
    """Return the functions of matrices in expressions, but transposes."""
    every = nodes(list(roots))
    return (n for n in every if isinstance(n, MatrixFunction) and not isinstance(n, Transpose))


def _without_transpose(node: Any) -> Any:
    while isinstance(node, Transpose):
        node = node.args[0]
    return node


@dataclass
class _Gathering:
    """The statements of one variant.

    Attributes:
        body: the variant.
        functions: the functions of matrices in its statements.
        whole: value -> the symbol of the same matrix that is whole.
        statements: the new statements.
    """

    body: Body
    functions: list[Any]
    whole: dict[Any, Any] = field(default_factory=dict[Any, Any])
    statements: list[Statement] = field(default_factory=list[Statement])

    def run(self) -> None:
        """Replace the statements."""
        taken = {_without_transpose(a) for f in self.functions for a in f.args}
        own = {a for a in taken if a.is_Symbol and not self.body.is_scalar(a)}
        operands = {a for a in own if not isinstance(a, (MatrixExtra, MatrixState))}
        elementwise = self.elementwise(operands)
        computed = {s.symbol for s in self.body.statements}
        for statement in self.body.statements:
            for symbol in symbols_in(statement.expression) & (operands - computed):
                if symbol not in self.whole:
                    self.copy(symbol)
            self.add(statement, operands, elementwise)
        self.body.statements = self.statements

    def elementwise(self, operands: set[Any]) -> set[Any]:
        """Return the values that are used outside of functions of matrices and their operands."""
        found = set(self.body.new.values()) | symbols_in(*(s.node for s in self.body.sums))
        for statement in self.body.statements:
            if statement.symbol not in operands:
                found |= _outside([statement.expression])
        return found

    def add(self, statement: Statement, operands: set[Any], elementwise: set[Any]) -> None:
        """Add a statement, and one of a copy that is whole if one is needed."""
        symbol = statement.symbol
        expression = self.within_functions(statement.expression)
        if symbol not in operands:
            self.statements.append(replace(statement, expression=expression))
            return
        expression = replaced(expression, self.whole, rebuilt)
        is_result = isinstance(_without_transpose(expression), MatrixFunction)
        if is_result or (self.is_whole(expression) and symbol in self.body.new.values()):
            self.whole[symbol] = symbol
        elif symbol not in elementwise or self.is_whole(expression):
            self.whole[symbol] = symbol
            expression = Whole(expression)
        self.statements.append(replace(statement, expression=expression))
        if symbol not in self.whole:
            self.copy(symbol)

    def copy(self, symbol: Any) -> None:
        """Add a statement of a copy that is whole."""
        own = Named(self.body.free(f"{symbol}_whole"), self.body.rule.name)
        self.whole[symbol] = own
        self.body.add(Statement(own, Whole(symbol)))
        self.statements.append(self.body.statements.pop())

    def within_functions(self, expression: Any) -> Any:
        """Return an expression in which functions of matrices take whole matrices."""
        new: dict[Any, Any] = {}
        for node in nodes([expression]):
            arguments = tuple(new[a] for a in node.args)
            if isinstance(node, MatrixFunction) and not isinstance(node, Transpose):
                own = zip(arguments, node.args, strict=True)
                arguments = tuple(self.operand(a) if b in node.operands else a for a, b in own)
            same = all(a is b for a, b in zip(arguments, node.args, strict=True))
            new[node] = node if same else rebuilt(node, arguments)
        return new[expression]

    def operand(self, node: Any) -> Any:
        """Return an argument of a function of matrices, made whole unless it is."""
        if isinstance(node, Transpose):
            return Transpose(self.operand(node.args[0]))
        expression = replaced(node, self.whole, rebuilt)
        is_plain = not node.args or isinstance(node, (MatrixFunction, MatrixLeaf, Whole))
        return expression if is_plain or self.body.is_scalar(node) else Whole(expression)

    def is_whole(self, expression: Any) -> bool:
        """Return whether a value is computed from matrices that are whole."""
        known = set(self.whole.values())
        return all(
            symbol in known
            or isinstance(symbol, (MatrixExtra, MatrixState))
            or self.body.is_scalar(symbol)
            for symbol in _outside([expression])
        )


def _outside(expressions: Iterable[Any]) -> set[Any]:
    """Return the symbols in expressions, but not those that only functions of matrices take."""
    own = list(expressions)
    return {node for node in nodes(own, set(_functions(own))) if node.is_Symbol}
