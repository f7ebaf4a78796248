"""Conversion of SymPy's own nodes to nodes of the language.

A rule may contain `sympy.Piecewise`, relations that were built outside the rule, or step functions
from derivatives of minima and maxima. They become choices and comparisons that SymPy does not
rewrite.
"""

from collections.abc import Callable
from typing import Any

import sympy
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair

from learnerdsl.elementary import atan2
from learnerdsl.expr.graph import mapped
from learnerdsl.expr.nodes import (
    COMPARISONS,
    And,
    Equal,
    Greater,
    Less,
    Maximum,
    Minimum,
    Not,
    Or,
    Power,
    Where,
    joined,
)

_EXACT = 64
"""Largest float exponent that is converted to an integer or a fraction."""


def adopted(root: Any, known: dict[Any, Any] | None = None) -> Any:
    """Return an expression with SymPy's nodes converted to those of the language.

    Args:
        root: an expression of SymPy's.
        known: node -> its conversion; this call adds the nodes that it converts.
    """
    return mapped(root, _adopt, known)


def rebuilt(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return `node` with other arguments, without simplifying."""
    func: Any = node.func
    is_sympys = isinstance(node, sympy.Expr) and type(node).__module__.startswith("sympy.")
    return func(*arguments, evaluate=False) if is_sympys else func(*arguments)


def _adopt(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return the conversion of a node whose arguments are converted already."""
    if node.func in _ADOPTIONS:
        return _ADOPTIONS[node.func](node, arguments)
    if isinstance(node, Relational):
        return COMPARISONS[node.func](*arguments) if node.func in COMPARISONS else node
    same = all(a is b for a, b in zip(arguments, node.args, strict=True))
    return node if same else rebuilt(node, arguments)


def _piecewise(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return nested choices for a Piecewise; NaN where no condition holds."""
    del node
    result: Any = sympy.nan
    for value, holds in reversed(arguments):
        result = Where(holds, value, result)
    return result


def _branch(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return a branch of a Piecewise as a tuple, which SymPy does not check for consistency."""
    del node
    return sympy.Tuple(*arguments)


def _power(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return `x**2.0` as `x**2` and `x**0.5` as a root; with floats neither would be recognised."""
    base, exponent = arguments
    is_small = isinstance(exponent, sympy.Float) and abs(exponent) <= _EXACT
    if is_small and float(exponent * 8).is_integer():
        return raised(base, sympy.Rational(float(exponent)))
    same = base is node.base and exponent is node.exp
    return node if same else rebuilt(node, arguments)


def raised(base: Any, exponent: Any) -> Any:
    """Return a power; an integer power of a product is not distributed over its factors."""
    is_product = isinstance(base, sympy.Mul) and sum(a != -1 for a in base.args) > 1
    if not is_product or not exponent.is_Integer or abs(exponent) < 2:
        return base**exponent
    power = Power(base, abs(exponent))
    return power if exponent > 0 else 1 / power


def _heaviside(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return choices for the step function; its second argument is the value at 0."""
    x, at_zero = (*arguments, sympy.Rational(1, 2))[:2]
    del node
    return Where(Greater(x, 0), 1, Where(Less(x, 0), 0, Where(Equal(x, 0), at_zero, x)))


def _folded(kind: Any) -> Callable[[Any, tuple[Any, ...]], Any]:
    """Return the conversion of And or Or with any number of arguments to nested pairs."""

    def fold(node: Any, arguments: tuple[Any, ...]) -> Any:
        del node
        result = arguments[0]
        for argument in arguments[1:]:
            result = joined(kind, result, argument)
        return result

    return fold


def _not(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return the negation of a condition; that of a constant is a constant."""
    del node
    return sympy.Not(arguments[0]) if not arguments[0].args else Not(arguments[0])


def _xor(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return Xor in terms of And, Or and Not."""
    del node
    result = arguments[0]
    for argument in arguments[1:]:
        one, other = joined(And, result, Not(argument)), joined(And, Not(result), argument)
        result = joined(Or, one, other)
    return result


def _if_then_else(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return a choice between conditions in terms of And, Or and Not."""
    holds, then, otherwise = arguments
    del node
    return joined(Or, joined(And, holds, then), joined(And, Not(holds), otherwise))


_ADOPTIONS: dict[Any, Callable[[Any, tuple[Any, ...]], Any]] = {
    sympy.Piecewise: _piecewise,
    ExprCondPair: _branch,
    sympy.Pow: _power,
    sympy.Heaviside: _heaviside,
    sympy.atan2: lambda node, arguments: atan2(*arguments),
    sympy.Max: lambda node, arguments: Maximum(*arguments),
    sympy.Min: lambda node, arguments: Minimum(*arguments),
    sympy.And: _folded(And),
    sympy.Or: _folded(Or),
    sympy.Not: _not,
    sympy.Xor: _xor,
    sympy.ITE: _if_then_else,
}
