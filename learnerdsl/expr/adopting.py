"""SymPy's own nodes as those of the language, wherever a rule got them from.

`sympy.Piecewise`, relations that were built outside a rule, the step functions in derivatives of
minima and maxima: they become choices and comparisons that nothing rewrites any more.
"""

from collections.abc import Callable
from typing import Any

import sympy
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair

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
"""Largest power with a float for its exponent that is taken for a whole one or a root."""


def adopted(root: Any, known: dict[Any, Any] | None = None) -> Any:
    """Return an expression in nodes of the language.

    Args:
        root: an expression of SymPy's.
        known: what is adopted already; what this call adopts is entered.
    """
    return mapped(root, _adopt, known)


def rebuilt(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return `node` with other arguments, as they are: nothing is simplified anew."""
    func: Any = node.func
    is_sympys = isinstance(node, sympy.Expr) and type(node).__module__.startswith("sympy.")
    return func(*arguments, evaluate=False) if is_sympys else func(*arguments)


def _adopt(node: Any, arguments: tuple[Any, ...]) -> Any:
    if node.func in _ADOPTIONS:
        return _ADOPTIONS[node.func](node, arguments)
    if isinstance(node, Relational):
        return COMPARISONS[node.func](*arguments) if node.func in COMPARISONS else node
    same = all(a is b for a, b in zip(arguments, node.args, strict=True))
    return node if same else rebuilt(node, arguments)


def _piecewise(node: Any, arguments: tuple[Any, ...]) -> Any:
    del node
    result: Any = sympy.nan
    for value, holds in reversed(arguments):
        result = Where(holds, value, result)
    return result


def _branch(node: Any, arguments: tuple[Any, ...]) -> Any:
    del node
    return sympy.Tuple(*arguments)


def _power(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Write `x**2.0` as `x**2` and `x**0.5` as a root: floats hide what a power is."""
    base, exponent = arguments
    is_small = isinstance(exponent, sympy.Float) and abs(exponent) <= _EXACT
    if is_small and float(exponent * 8).is_integer():
        return raised(base, sympy.Rational(float(exponent)))
    same = base is node.base and exponent is node.exp
    return node if same else rebuilt(node, arguments)


def raised(base: Any, exponent: Any) -> Any:
    """Return a power; a whole one of a product stays one of the product."""
    is_product = isinstance(base, sympy.Mul) and sum(a != -1 for a in base.args) > 1
    if not is_product or not exponent.is_Integer or abs(exponent) < 2:
        return base**exponent
    power = Power(base, abs(exponent))
    return power if exponent > 0 else 1 / power


def _heaviside(node: Any, arguments: tuple[Any, ...]) -> Any:
    """The step function of a derivative; what it is at 0 is its second argument."""
    x, at_zero = (*arguments, sympy.Rational(1, 2))[:2]
    del node
    return Where(Greater(x, 0), 1, Where(Less(x, 0), 0, Where(Equal(x, 0), at_zero, x)))


def _folded(kind: Any) -> Callable[[Any, tuple[Any, ...]], Any]:
    def fold(node: Any, arguments: tuple[Any, ...]) -> Any:
        del node
        result = arguments[0]
        for argument in arguments[1:]:
            result = joined(kind, result, argument)
        return result

    return fold


def _not(node: Any, arguments: tuple[Any, ...]) -> Any:
    del node
    return sympy.Not(arguments[0]) if not arguments[0].args else Not(arguments[0])


def _xor(node: Any, arguments: tuple[Any, ...]) -> Any:
    del node
    result = arguments[0]
    for argument in arguments[1:]:
        one, other = joined(And, result, Not(argument)), joined(And, Not(result), argument)
        result = joined(Or, one, other)
    return result


def _if_then_else(node: Any, arguments: tuple[Any, ...]) -> Any:
    holds, then, otherwise = arguments
    del node
    return joined(Or, joined(And, holds, then), joined(And, Not(holds), otherwise))


_ADOPTIONS: dict[Any, Callable[[Any, tuple[Any, ...]], Any]] = {
    sympy.Piecewise: _piecewise,
    ExprCondPair: _branch,
    sympy.Pow: _power,
    sympy.Heaviside: _heaviside,
    sympy.Max: lambda node, arguments: Maximum(*arguments),
    sympy.Min: lambda node, arguments: Minimum(*arguments),
    sympy.And: _folded(And),
    sympy.Or: _folded(Or),
    sympy.Not: _not,
    sympy.Xor: _xor,
    sympy.ITE: _if_then_else,
}
