"""Find out what a state can hold: only numbers that are not negative, or only whole numbers."""

from typing import Any

import sympy

from learnerdsl.expr import (
    GradientSymbol,
    Hyperparameter,
    Maximum,
    Minimum,
    ParameterSymbol,
    Reduction,
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
    assigned = [line.expression for line in rule.lines if line.target == state]
    starts = [spec.init for spec in rule.states if spec.symbol == state]
    proof = _Proof(new, state)
    return all(proof(sympy.sympify(one)) for one in (*assigned, *starts))


class _Proof:
    """A proof that expressions are not negative; false means that none was found."""

    def __init__(self, values: Any, state: StateSymbol) -> None:
        self.values = values
        self.state = state
        self.known: dict[Any, bool] = {}

    def __call__(self, expr: Any) -> bool:
        if expr not in self.known:
            self.known[expr] = False  # a cycle proves nothing
            self.known[expr] = self.find(expr)
        return self.known[expr]

    def find(self, expr: Any) -> bool:
        """Return whether an expression is not negative."""
        if expr.is_Symbol:
            if expr in self.values:
                return self(self.values[expr])
            if isinstance(expr, (ParameterSymbol, GradientSymbol)):
                return False
            return expr == self.state or not isinstance(expr, StateSymbol)
        if isinstance(expr, (sympy.Number, sympy.NumberSymbol)):
            return bool(expr >= 0)
        if isinstance(expr, sympy.Add):
            return all(map(self, expr.args)) or _is_rest_of_one(expr)
        if isinstance(expr, sympy.Mul):
            return all(map(self, expr.args))
        if isinstance(expr, sympy.Pow):
            is_even = expr.exp.is_Integer and int(expr.exp) % 2 == 0
            return bool(is_even) or (expr.exp.is_number and self.is_root(expr)) or self(expr.base)
        if isinstance(expr, Where):
            return self(expr.then) and self(expr.otherwise)
        if isinstance(expr, Maximum):
            return any(map(self, expr.args))
        if isinstance(expr, (Minimum, Reduction)):
            return all(self(a) for a in expr.args if isinstance(a, sympy.Expr))
        return expr.func.__name__.lower() in ("abs", "exp", "sigmoid", "softplus", "isfinite")

    def is_root(self, expr: Any) -> bool:
        """Return whether an expression is a square root, or another even one."""
        return bool(expr.exp.is_Rational and expr.exp.q % 2 == 0)


def _is_rest_of_one(expr: sympy.Add) -> bool:
    """Return whether a sum is 1 - h, for a hyperparameter h or a power of one."""
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
