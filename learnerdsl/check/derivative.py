"""Differentiate values by the chain rule over the operations they came from."""

from collections.abc import Callable
from typing import Any

import sympy

from learnerdsl.check import functions as f
from learnerdsl.check.arithmetic import unary
from learnerdsl.check.symbolic import evaluated
from learnerdsl.check.values import Value, as_value
from learnerdsl.elementary import FUNCTIONS
from learnerdsl.errors import LearnerError


def diff(expression: Any, *symbols: Any, **options: Any) -> Value:
    """Return a derivative of a value, with the arguments of `sympy.diff`.

    Args:
        expression: a value.
        symbols: values that are not results of operations: arguments of the rule, states, results
            of `let` and `assign`. A whole number after one repeats it.
        options: options of `sympy.diff`; they have no effect.
    """
    del options
    result = as_value(expression)
    for symbol, times in _counted(symbols):
        for _ in range(times):
            result = _Derivative(symbol)(result)
    return result


def _counted(symbols: tuple[Any, ...]) -> list[tuple[Value, int]]:
    """Return pairs of a symbol and the number of times to differentiate by it."""
    counted: list[tuple[Value, int]] = []
    for one in symbols:
        if isinstance(one, int):
            counted[-1] = (counted[-1][0], one)
        elif isinstance(one, tuple):
            counted.append(one)
        else:
            counted.append((one, 1))
    return counted


class _Derivative:
    """The derivative with respect to one input; differentiates each value once."""

    def __init__(self, symbol: Value) -> None:
        self.symbol = symbol
        self.known: dict[int, Value | None] = {}

    def __call__(self, value: Value) -> Value:
        result = self.of(value)
        return Value(0.0) if result is None else result

    def of(self, value: Value) -> Value | None:
        """Return the derivative of a value, or None if it is 0."""
        if value is self.symbol:
            return Value(1.0)
        if value.origin is None:
            return None
        if id(value) not in self.known:
            self.known[id(value)] = self.chained(value, *value.origin)
        return self.known[id(value)]

    def chained(self, value: Value, name: str, operands: tuple[Any, ...]) -> Value | None:
        """Apply the chain rule: sum the derivatives of the operands times the partial ones."""
        if name == "where":
            truth, *branches = operands
            slopes = [self.of(branch) for branch in branches]
            return None if slopes == [None, None] else f.where(truth, *(s or 0.0 for s in slopes))
        total: Value | None = None
        for place, operand in enumerate(operands):
            slope = self.of(operand)
            if slope is None:
                continue
            rule = _RULES.get(name) or _of_sympy(name)
            if rule is None:
                msg = f"The derivative of {name} is not known on arrays; ld.check cannot judge it."
                raise LearnerError(msg)
            term = slope * rule(place, value, *operands)
            total = term if total is None else total + term
        return total


def _of_power(place: int, value: Value, a: Value, b: Value) -> Value:
    return b * a ** (b - 1) if place == 0 else value * f.log(a)


def _of_extreme(place: int, value: Value, x: Value) -> Value:
    del place
    return f.where(f.equal(x, value), 1.0, 0.0)


def _of_sympy(name: str) -> Callable[..., Any] | None:
    """Return the derivative of an elementary function as SymPy knows it."""
    row = next((row for row in FUNCTIONS if row.name == name and row.node is not None), None)
    if row is None:
        return None
    symbols = [sympy.Symbol(argument, real=True) for argument in row.arguments]
    node = row.node(*symbols)

    def rule(place: int, value: Value, *operands: Value) -> Value:
        del value
        slope = node.diff(symbols[place])
        return evaluated(slope, dict(zip(symbols, operands, strict=True)))

    return rule


_RULES: dict[str, Callable[..., Any]] = {
    "same": lambda place, value, x: 1.0,
    "neg": lambda place, value, x: -1.0,
    "add": lambda place, value, a, b: 1.0,
    "subtract": lambda place, value, a, b: -1.0 if place else 1.0,
    "multiply": lambda place, value, a, b: a if place else b,
    "divide": lambda place, value, a, b: -value / b if place else 1 / b,
    "power": _of_power,
    "sum": lambda place, value, x: 1.0,
    "max": _of_extreme,
    "min": _of_extreme,
    "prod": lambda place, value, x: value / x,
    "abs": lambda place, value, x: unary("sign", x),
    "exp": lambda place, value, x: value,
    "log": lambda place, value, x: 1 / x,
    "sin": lambda place, value, x: unary("cos", x),
    "cos": lambda place, value, x: -unary("sin", x),
    "tan": lambda place, value, x: 1 + value * value,
    "sinh": lambda place, value, x: unary("cosh", x),
    "cosh": lambda place, value, x: unary("sinh", x),
    "tanh": lambda place, value, x: 1 - value * value,
    "asin": lambda place, value, x: 1 / f.sqrt(1 - x * x),
    "acos": lambda place, value, x: -1 / f.sqrt(1 - x * x),
    "atan": lambda place, value, x: 1 / (1 + x * x),
}
"""Operation -> derivative of its value with respect to the operand at a place."""
