"""Find out what a state can hold: only numbers that are not negative, or only whole numbers."""

from collections.abc import Container
from typing import Any

import sympy

from learnerdsl.expr import (
    ExtraSymbol,
    GradientSymbol,
    Hyperparameter,
    Maximum,
    Minimum,
    ParameterSymbol,
    Power,
    Reduction,
    RingState,
    StateSymbol,
    Where,
)
from learnerdsl.tracing.definition import Rule


def is_nonnegative(rule: Rule, state: StateSymbol) -> bool:
    """Return whether a state is proved never to be negative.

    Hyperparameters are taken to be from 0 to 1, as decay rates are; so are their differences from
    1. The proof is by induction: the start value is not negative, and the new value is not if the
    old one is not.
    """
    new = {line.value: line.expression for line in rule.lines}
    own = {state}
    if isinstance(state, RingState):  # a line assigns to the oldest value, and all values move on
        name = state.name.rpartition("_")[0]
        rings = [spec.symbol for spec in rule.states if isinstance(spec.symbol, RingState)]
        own = {symbol for symbol in rings if symbol.name.rpartition("_")[0] == name}
    assigned = [line.expression for line in rule.lines if line.target in own]
    starts = [spec.init for spec in rule.states if spec.symbol in own]
    proof = _Proof(new, own)
    return all(proof(sympy.sympify(one)) for one in (*assigned, *starts))


class _Proof:
    """A proof that expressions are not negative; false means that none was found."""

    def __init__(self, values: Any, own: Container[Any]) -> None:
        self.values = values
        self.own = own
        self.known: dict[Any, bool] = {}

    def __call__(self, expr: Any) -> bool:
        if expr not in self.known:
            self.known[expr] = False  # a cycle proves nothing
            self.known[expr] = self.find(expr)
        return self.known[expr]

    def find(self, expr: Any) -> bool:
        """Return whether an expression is not negative."""
        if expr.is_Symbol:
            return self.of_symbol(expr)
        if isinstance(expr, (sympy.Number, sympy.NumberSymbol)):
            return bool(expr >= 0)
        if isinstance(expr, (sympy.Pow, Power)):
            return _is_even(expr.args[1]) or self(expr.args[0])
        if isinstance(expr, Maximum):
            return any(map(self, expr.args))
        if isinstance(expr, Where):
            return self(expr.then) and self(expr.otherwise)
        if isinstance(expr, (sympy.Add, sympy.Mul, Minimum, Reduction)):
            parts = [argument for argument in expr.args if isinstance(argument, sympy.Expr)]
            return all(map(self, parts)) or _is_rest_of_one(expr)
        return expr.func.__name__.lower() in _NEVER_NEGATIVE

    def of_symbol(self, symbol: Any) -> bool:
        """Return whether a symbol stands for a number that is not negative."""
        if symbol in self.values:
            return self(self.values[symbol])
        if isinstance(symbol, (ParameterSymbol, GradientSymbol, ExtraSymbol)):
            return False
        return symbol in self.own or not isinstance(symbol, StateSymbol)


_NEVER_NEGATIVE = ("abs", "exp", "sigmoid", "softplus", "isfinite")


def _is_even(exponent: Any) -> bool:
    """Return whether a power is never negative: of an even number, or an even root."""
    if exponent.is_Integer:
        return int(exponent) % 2 == 0
    return bool(exponent.is_Rational and exponent.q % 2 == 0)


def _is_rest_of_one(expr: Any) -> bool:
    """Return whether an expression is 1 - h, for a hyperparameter h or a power of one."""
    rest = sympy.S.One - expr
    base = rest.base if isinstance(rest, sympy.Pow) else rest
    return isinstance(base, Hyperparameter)


def is_counter(rule: Rule, state: StateSymbol) -> bool:
    """Return whether an update adds a constant to a state, as a counter does."""
    for line in rule.lines:
        if line.target == state:
            found = [line.expression]
            while found:
                expr: Any = found.pop()
                if isinstance(expr, Where):
                    found += [expr.then, expr.otherwise]
                elif isinstance(expr, sympy.Add) and state in expr.args:
                    rest = [a for a in expr.args if a != state]
                    if all(a.is_number for a in rest):
                        return True
    return False
