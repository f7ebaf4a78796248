"""Evaluation of constants, expressions without symbols, in float64."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy

from learnerdsl.elementary import FUNCTIONS
from learnerdsl.errors import RuleError
from learnerdsl.expr.graph import brief, mapped
from learnerdsl.expr.nodes import (
    And,
    Equal,
    Greater,
    GreaterEqual,
    IsFinite,
    Less,
    LessEqual,
    Maximum,
    Minimum,
    Not,
    NotEqual,
    Or,
    Power,
    Where,
)


def is_constant(node: Any, below: bool) -> bool:
    """Return whether a node is a constant that `constant_value` can evaluate.

    Args:
        node: a node of an expression.
        below: whether all arguments of the node are constants.
    """
    if not node.args:
        return isinstance(node, (sympy.Number, sympy.NumberSymbol))
    return below and node.func in _OPERATIONS


def constant_value(expression: Any) -> float:
    """Return the value in float64, rounded after each operation.

    The value is NaN if it is not a real number, and infinite if it is too large.
    """
    with np.errstate(all="ignore"):
        return float(mapped(expression, _value))


def evaluated(expression: Any, values: Mapping[Any, float]) -> float:
    """Return the value in float64 where the symbols of an expression have these values."""

    def value(node: Any, arguments: tuple[Any, ...]) -> Any:
        return np.float64(values[node]) if node in values else _value(node, arguments)

    with np.errstate(all="ignore"):
        return float(mapped(expression, value))


def number_of(expression: Any) -> sympy.Expr | None:
    """Return the value of a constant as a number of float64.

    Integers and fractions stay exact. The result is None if the expression has symbols, or a
    function that rules do not have.

    Raises:
        RuleError: the value is too large for float64, or not a real number.
    """
    if not expression.is_number or isinstance(expression, sympy.Rational):
        return expression if expression.is_number else None
    try:
        value = constant_value(expression)
    except KeyError:
        return None
    if not np.isfinite(value):
        kind = "real" if np.isnan(value) else "finite"
        msg = f"{brief(expression)} is not a {kind} number; rules compute with finite real numbers."
        raise RuleError(msg)
    return sympy.Integer(int(value)) if value.is_integer() else sympy.Float(value)


def vanishes(expression: Any) -> bool:
    """Return whether a constant that is not 0 underflows to 0 in float64."""
    if isinstance(expression, sympy.Number):
        return not expression.is_zero and constant_value(expression) == 0.0
    is_scaled = isinstance(expression, (sympy.Mul, sympy.Pow, Power, sympy.exp))
    if not is_scaled or constant_value(expression) != 0.0:
        return False
    factors = expression.args if isinstance(expression, sympy.Mul) else expression.args[:1]
    is_exp = isinstance(expression, sympy.exp)
    return is_exp or all(constant_value(factor) != 0.0 for factor in factors)


def _value(node: Any, arguments: tuple[Any, ...]) -> Any:
    """Return the value of a node from those of its arguments."""
    if not node.args:
        return _number(node)
    return _OPERATIONS[node.func](*arguments)


def _number(node: Any) -> Any:
    """Return a leaf as a bool or a float64."""
    if node in (sympy.true, sympy.false):
        return bool(node)
    try:
        return np.float64(float(node))
    except (OverflowError, ValueError):
        return np.float64(np.inf if node.is_positive else -np.inf)
    except TypeError:  # not a real number
        return np.float64(np.nan)


def _product(*factors: Any) -> Any:
    return np.prod(factors)


def _total(*terms: Any) -> Any:
    return np.sum(terms)


_OPERATIONS: dict[Any, Callable[..., Any]] = {
    sympy.Add: _total,
    sympy.Mul: _product,
    sympy.Pow: np.float_power,
    Power: np.float_power,
    sympy.Mod: np.remainder,
    Minimum: lambda *values: np.min(values),
    Maximum: lambda *values: np.max(values),
    **{row.node: row.of_arrays for row in FUNCTIONS if row.node is not None},
    Where: lambda condition, then, otherwise: then if condition else otherwise,
    Less: np.less,
    LessEqual: np.less_equal,
    Greater: np.greater,
    GreaterEqual: np.greater_equal,
    Equal: np.equal,
    NotEqual: np.not_equal,
    And: np.logical_and,
    Or: np.logical_or,
    Not: np.logical_not,
    IsFinite: np.isfinite,
}
