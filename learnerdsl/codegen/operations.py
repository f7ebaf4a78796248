"""Counts the operations that the printed text of an expression does."""

from collections import Counter
from typing import Any

import sympy
from sympy.core.relational import Relational

Operations = Counter[str]


def count_operations(expression: Any) -> Operations:
    """Name of an operation -> how often evaluating the expression once does it."""
    if isinstance(expression, sympy.Mul):
        own, parts = _product(expression)
    elif isinstance(expression, sympy.Pow):
        own, parts = _power(expression)
    else:
        own, parts = _other(expression), expression.args
    return own + sum((count_operations(part) for part in parts), Counter())


def _product(expression: sympy.Mul) -> tuple[Operations, list[Any]]:
    """One multiplication fewer than there are factors, one division for each reciprocal."""
    divisors = [a for a in expression.args if is_reciprocal(a)]
    factors = [a for a in expression.args if not is_reciprocal(a) and a != -1]
    own = Counter({"mul": max(len(factors) - 1, 0), "div": len(divisors)})
    return own, [*factors, *(turned(divisor) for divisor in divisors)]


def _power(expression: Any) -> tuple[Operations, list[Any]]:
    """Whole powers multiply, powers of two fractions take roots, others are powers."""
    base, exponent = expression.base, expression.exp
    if is_reciprocal(expression):
        return Counter({"div": 1}), [turned(expression)]
    if exponent.is_Rational and exponent.q in (1, 2, 4, 8):
        roots = {1: 0, 2: 1, 4: 2, 8: 3}[int(exponent.q)]
        factors = int(exponent.p) // int(exponent.q) + (roots > 0)
        return Counter({"mul": max(factors - 1, 0), "sqrt": roots}), [base]
    return Counter({"pow": 1}), [base, exponent]


def _other(expression: Any) -> Operations:
    if expression.is_Atom or isinstance(expression, sympy.Tuple):
        return Counter()
    if isinstance(expression, (sympy.Add, sympy.Max, sympy.Min)):
        return Counter({expression.func.__name__.lower(): len(expression.args) - 1})
    if isinstance(expression, sympy.Piecewise):
        return Counter({"select": len(expression.args) - 1})
    if isinstance(expression, Relational):
        return Counter({"compare": 1})
    return Counter({expression.func.__name__.lower(): 1})


def is_reciprocal(node: Any) -> bool:
    """Whether a factor is written as a division."""
    return isinstance(node, sympy.Pow) and bool(node.exp.is_number and node.exp.is_negative)


def turned(power: Any) -> Any:
    """What a reciprocal divides by."""
    return sympy.Pow(power.base, -power.exp, evaluate=False) if power.exp != -1 else power.base
