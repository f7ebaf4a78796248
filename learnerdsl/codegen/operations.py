"""Counting of the operations in the printed text of an expression."""

from collections import Counter
from typing import Any

import sympy

from learnerdsl.expr import Comparison, Maximum, Minimum, Where

Operations = Counter[str]


def count_operations(expression: Any) -> Operations:
    """Return name of an operation -> how often one evaluation of the expression executes it."""
    if isinstance(expression, sympy.Mul):
        own, parts = _product(expression)
    elif isinstance(expression, sympy.Pow):
        own, parts = _power(expression)
    else:
        own, parts = _other(expression), expression.args
    return own + sum((count_operations(part) for part in parts), Counter())


def _product(expression: sympy.Mul) -> tuple[Operations, list[Any]]:
    """Return the operations of a product, and its factors and divisors.

    It has one multiplication fewer than factors, and one division for each divisor.
    """
    parts = [divided(argument) for argument in expression.args]
    factors = [factor for factor, _ in parts if factor not in (1, -1)]
    divisors = [divisor for _, divisor in parts if divisor is not None]
    own = Counter({"mul": max(len(factors) - 1, 0), "div": len(divisors)})
    return own, [*factors, *divisors]


def _power(expression: Any) -> tuple[Operations, list[Any]]:
    """Return the operations of a power, and its parts.

    Integer powers multiply, halves to eighths take square roots, others call the power function.
    """
    base, exponent = expression.base, expression.exp
    if is_reciprocal(expression):
        return Counter({"div": 1}), [turned(expression)]
    if exponent.is_Rational and exponent.q in (1, 2, 4, 8):
        roots = {1: 0, 2: 1, 4: 2, 8: 3}[int(exponent.q)]
        factors = int(exponent.p) // int(exponent.q) + (roots > 0)
        return Counter({"mul": max(factors - 1, 0), "sqrt": roots}), [base]
    return Counter({"pow": 1}), [base, exponent]


def _other(expression: Any) -> Operations:
    """Return the operations of a node that is neither a product nor a power."""
    if expression.is_Atom or isinstance(expression, sympy.Tuple):
        return Counter()
    if isinstance(expression, sympy.Add):
        return Counter({"add": len(expression.args) - 1})
    if isinstance(expression, (Maximum, Minimum)):
        name = "max" if isinstance(expression, Maximum) else "min"
        return Counter({name: len(expression.args) - 1})
    if isinstance(expression, Where):
        return Counter({"select": 1})
    if isinstance(expression, Comparison):
        return Counter({"compare": 1})
    return Counter({expression.func.__name__.lower(): 1})


def is_reciprocal(node: Any) -> bool:
    """Return whether a factor is printed as a division."""
    return isinstance(node, sympy.Pow) and bool(node.exp.is_number and node.exp.is_negative)


def divided(factor: Any) -> tuple[Any, Any]:
    """Return (multiplier, divisor or None) of a factor of a product."""
    if is_reciprocal(factor):
        return sympy.S.One, turned(factor)
    # Halves and quarters are exact as multipliers.
    if factor.is_Rational and factor.q & (factor.q - 1):
        return sympy.Integer(factor.p), sympy.Integer(factor.q)
    return factor, None


def turned(power: Any) -> Any:
    """Return the divisor of a reciprocal."""
    return sympy.Pow(power.base, -power.exp, evaluate=False) if power.exp != -1 else power.base
