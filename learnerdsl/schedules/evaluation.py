"""Compile an expression of the step to a Python function that rounds like hand-written code.

SymPy turns (step - 1)/49 into step/49 - 1/49, which in floats is not 1 at step 50, and whose floor
may be one too small. Here such a sum is computed in whole numbers and divided last. Powers are
computed in floats, because whole powers of a late step would have millions of digits.

The code is printed from a fixed table of nodes and nothing else, so a name in a user's expression
is never looked up or called.
"""

import math
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

import numpy as np
import sympy
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from learnerdsl.elementary import BY_NODE, FUNCTIONS
from learnerdsl.errors import HyperparameterError
from learnerdsl.expr import (
    And,
    Comparison,
    IsFinite,
    Maximum,
    Minimum,
    Not,
    Or,
    Power,
    Where,
    step,
)
from learnerdsl.expr.nodes import COMPARISONS

Function = Callable[[Any], Any]

LARGEST_WHOLE_EXPONENT = 64
"""Whole numbers are raised to powers up to this one exactly."""

RELATIONS = {relation: node.sign for relation, node in COMPARISONS.items()}


def _sign(x: Any) -> Any:
    return x if x != x else (x > 0) - (x < 0)


def _minimum(a: Any, b: Any) -> Any:
    return a if a <= b or a != a else b


def _maximum(a: Any, b: Any) -> Any:
    return a if a >= b or a != a else b


_NUMBERS = {"inf": math.inf, "nan": math.nan, "__builtins__": {}}
_OWN = {"sign": _sign, "minimum": _minimum, "maximum": _maximum, "abs": abs}
FAST = {r.name: getattr(math, r.name, r.of_arrays) for r in FUNCTIONS}
FAST |= {**_OWN, **_NUMBERS, "power": math.pow, "isfinite": math.isfinite}
IEEE = {r.name: r.of_arrays for r in FUNCTIONS}
IEEE |= {n: getattr(np, n) for n in ("minimum", "maximum", "power", "isfinite")} | _NUMBERS


def functions_of_step(expression: sympy.Expr) -> tuple[Function, Function]:
    """Return two functions of one number that evaluate the expression.

    The first is fast, and raises an ArithmeticError or a ValueError if an intermediate result is
    infinite or NaN. The second follows IEEE 754 in these cases.
    """
    code = compile(f"lambda step: {text(expression)}", "<schedule>", "eval")
    exact = eval(code, dict(IEEE))

    def with_infinities(step_count: Any) -> Any:
        with np.errstate(all="ignore"):
            return exact(np.float64(step_count))

    return eval(code, dict(FAST)), with_infinities


def text(node: Any) -> str:
    """Return Python code of an expression, in parentheses if it is a sum, a product and so on."""
    if node == step:
        return "step"
    for kinds, written in _TEXTS:
        if isinstance(node, kinds):
            return written(node)
    if type(node) not in BY_NODE:
        raise HyperparameterError(unknown(node))
    return f"{BY_NODE[type(node)].name}({', '.join(map(text, node.args))})"


def is_known(node: Any) -> bool:
    """Return whether the table has the node, whatever its arguments."""
    return node == step or isinstance(node, _KNOWN) or type(node) in BY_NODE


def unknown(node: Any) -> str:
    """Return the message that a schedule cannot contain the node."""
    functions = ", ".join(row.name for row in FUNCTIONS)
    return (
        f"A schedule cannot contain {type(node).__name__}, as in {str(node)[:80]}; write it with "
        "learnerdsl.step, real numbers, + - * / % and **, comparisons, where, clip, minimum, "
        f"maximum, {functions}."
    )


def _sum(node: Any) -> str:
    content, _ = node.primitive()
    rational = all(term.as_coeff_Mul()[0].is_Rational for term in node.args)
    if not rational or content.q == 1:
        return f"({' + '.join(map(text, node.as_ordered_terms()))})"
    return f"({text(content.q * node)}/{content.q})"


def _product(node: Any) -> str:
    factor, rest = node.as_coeff_Mul()
    if factor.is_Rational and factor.q != 1:
        return f"({text(factor.p * rest)}/{factor.q})"
    numerator, denominator = [], []
    for term in node.as_ordered_factors():
        is_below = isinstance(term, sympy.Pow) and term.exp.is_Rational and term.exp.is_negative
        (denominator if is_below else numerator).append(1 / term if is_below else term)
    above = _joined("*", numerator) if numerator else "1"
    return f"({above}/{_joined('*', denominator)})" if denominator else above


def _power(node: Any) -> str:
    base, exponent = node.args
    if exponent.is_Rational and exponent.is_negative:
        return f"(1/{text(1 / node)})"
    if exponent == sympy.S.Half:
        return f"sqrt({text(base)})"
    if exponent.is_Integer and exponent <= LARGEST_WHOLE_EXPONENT:
        return f"({text(base)}**{exponent})"
    return f"power({text(base)}, {text(exponent)})"


def _floor(node: Any) -> str:
    whole, divisor = _quotient(node.args[0])
    return f"({text(whole)}//{divisor})" if divisor else f"floor({text(node.args[0])})"


def _ceiling(node: Any) -> str:
    whole, divisor = _quotient(node.args[0])
    return f"(-({text(-whole)}//{divisor}))" if divisor else f"ceil({text(node.args[0])})"


def _quotient(node: Any) -> tuple[Any, int]:
    """A whole number and what it is divided by, or 0: // is exact where / would be rounded."""
    content = node.as_content_primitive()[0]
    whole = content.q * node
    return (whole, content.q) if content.q != 1 and whole.is_integer else (node, 0)


def _choice(node: Any) -> str:
    pieces = [f"{text(value)} if {text(condition)} else" for value, condition in node.args]
    return f"({' '.join(pieces)} nan)"


def _joined(sign: str, nodes: Iterable[Any]) -> str:
    return f"({f' {sign} '.join(map(text, nodes))})"


def _nested(name: str) -> Callable[[Any], str]:
    return lambda node: reduce(lambda a, b: f"{name}({a}, {b})", map(text, node.args))


_TEXTS: list[tuple[Any, Callable[[Any], str]]] = [
    (sympy.Integer, lambda n: str(n) if n >= 0 else f"({n})"),
    (sympy.Rational, lambda n: f"({n.p}/{n.q})"),
    # Infinity, pi and the like too.
    ((sympy.Number, sympy.NumberSymbol), lambda n: f"({float(n)!r})"),
    (BooleanAtom, str),
    (sympy.Add, _sum),
    (sympy.Mul, _product),
    ((sympy.Pow, Power), _power),
    (sympy.floor, _floor),
    (sympy.ceiling, _ceiling),
    ((sympy.Min, Minimum), _nested("minimum")),
    ((sympy.Max, Maximum), _nested("maximum")),
    (sympy.Mod, lambda n: _joined("%", n.args)),
    (sympy.Piecewise, _choice),
    (Where, lambda n: "({1} if {0} else {2})".format(*map(text, n.args))),
    (Comparison, lambda n: _joined(n.sign, n.args)),
    (IsFinite, lambda n: f"isfinite({text(n.args[0])})"),
    # Derivatives of Min and Max have it.
    (sympy.Heaviside, lambda n: text(n.rewrite(sympy.Piecewise))),
    (tuple(RELATIONS), lambda n: _joined(RELATIONS[type(n)], n.args)),
    ((sympy.And, And), lambda n: _joined("and", n.args)),
    ((sympy.Or, Or), lambda n: _joined("or", n.args)),
    ((sympy.Not, Not), lambda n: f"(not {text(n.args[0])})"),
    (sympy.ITE, lambda n: "({1} if {0} else {2})".format(*map(text, n.args))),
]
_KNOWN = (ExprCondPair, tuple(kinds for kinds, _ in _TEXTS))
