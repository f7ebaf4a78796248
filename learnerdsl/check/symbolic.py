"""Evaluate SymPy expressions on values: constants and schedules in rules, and derivatives."""

from collections.abc import Callable, Mapping
from typing import Any

import sympy
from sympy.functions.elementary.piecewise import ExprCondPair

from learnerdsl.check import functions as f
from learnerdsl.check.context import ClockValue
from learnerdsl.check.values import SCALAR_UNIT, Value, as_truth
from learnerdsl.elementary import BY_NODE
from learnerdsl.errors import LearnerError
from learnerdsl.expr import CLOCK

CLOCK_VALUES = {symbol: ClockValue(symbol.name) for symbol in CLOCK}


def evaluated(expression: Any, symbols: Mapping[Any, Value] | None = None) -> Any:
    """Return the value of an expression, or the truth of a condition.

    Args:
        expression: a SymPy expression.
        symbols: symbol -> value; symbols of the clock need not be given.

    Raises:
        LearnerError: a node or symbol in it does not have a value.
    """
    return _Evaluation({**CLOCK_VALUES, **(symbols or {})})(expression)


class _Evaluation:
    def __init__(self, known: dict[Any, Any]) -> None:
        self.known = known

    def __call__(self, node: Any) -> Any:
        if node not in self.known:
            self.known[node] = self.compute(node)
        return self.known[node]

    def compute(self, node: Any) -> Any:
        if isinstance(node, (sympy.Number, sympy.NumberSymbol)):
            # SymPy knows pi and others exactly, not in float64: tan(pi) is 0.
            number = float(node)
            is_exact = node.is_Integer or node.is_Float or node in (sympy.oo, -sympy.oo, sympy.nan)
            return Value(number, 0.0 if is_exact else SCALAR_UNIT * abs(number))
        if node in (sympy.true, sympy.false):
            return as_truth(bool(node))
        if node.func in BY_NODE:
            return f.ELEMENTARY[BY_NODE[node.func].name](*map(self, node.args))
        function = next((OPERATIONS[c] for c in node.func.__mro__ if c in OPERATIONS), None)
        if function is None:
            msg = f"{node} has no value on arrays; ld.check cannot judge a rule that uses it."
            raise LearnerError(msg)
        return function(*map(self, node.args))


def _pair(*parts: Any) -> tuple[Any, ...]:
    return parts


OPERATIONS: dict[Any, Callable[..., Any]] = {
    sympy.Add: f.added,
    sympy.Mul: f.multiplied,
    sympy.Pow: f.raised,
    sympy.Min: f.minimum,
    sympy.Max: f.maximum,
    sympy.Mod: f.modulo,
    sympy.Piecewise: f.piecewise,
    ExprCondPair: _pair,
    sympy.And: f.logical_and,
    sympy.Or: f.logical_or,
    sympy.Not: f.logical_not,
    sympy.ITE: f.if_then_else,
    sympy.Eq: f.equal,
    sympy.Ne: f.not_equal,
    sympy.Lt: f.less,
    sympy.Le: f.less_equal,
    sympy.Gt: f.greater,
    sympy.Ge: f.greater_equal,
    sympy.Heaviside: lambda x, half=0.5: f.where(x > 0, 1.0, f.where(x < 0, 0.0, half)),
}

Value.from_expression = staticmethod(evaluated)
