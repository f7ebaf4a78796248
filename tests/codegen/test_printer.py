"""The printer: text that is read back has the value of the expression, whatever stands in what."""

import math
from random import Random
from typing import Any

import pytest
import sympy

from learnerdsl.codegen.printer import Printer
from learnerdsl.expr import (
    And,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Maximum,
    Minimum,
    Not,
    NotEqual,
    Or,
)
from learnerdsl.expr import Where as Choice

X, Y = sympy.symbols("x y", real=True)
WRITTEN = {"evaluate": False}

# Arithmetic on few bits: every operation is exact, so that equal means equal.
LEAVES = [X, Y, *map(sympy.Integer, (-3, -1, 2)), sympy.Float(0.5), sympy.Float(-0.25)]
DIVISORS = [sympy.Integer(n) for n in (-4, -2, 2, 3, 4)]
HALVES = [sympy.Integer(n) for n in (-2, 2, 4)]
OTHERS = ("abs", "floor", "half", "mod", "where")
COMPARISONS = (Less, LessEqual, Greater, GreaterEqual, Equal, NotEqual)


def _condition(random: Random, depth: int) -> Any:
    kind = random.choice((*COMPARISONS, *COMPARISONS, And, Or, Not))
    if kind in COMPARISONS:
        return kind(_expression(random, depth - 1), _expression(random, depth - 1))
    if kind is Not:
        return Not(_condition(random, depth - 1))
    return kind(_condition(random, depth - 1), _condition(random, depth - 1))


def _expression(random: Random, depth: int) -> Any:
    """An expression in which every operator may stand in every place."""
    if depth <= 0:
        return random.choice(LEAVES)
    a, b = (_expression(random, depth - random.choice((1, 1, 2))) for _ in range(2))
    kind = random.choice((sympy.Add, sympy.Mul, Maximum, Minimum, "neg", "sq", *OTHERS))
    if isinstance(kind, str):
        return {
            "neg": lambda: sympy.Mul(-1, a, **WRITTEN),
            "sq": lambda: sympy.Pow(a, 2, **WRITTEN),
            "abs": lambda: sympy.Abs(a, **WRITTEN),
            "floor": lambda: sympy.floor(a, **WRITTEN),
            "half": lambda: sympy.Mul(
                a, sympy.Pow(random.choice(HALVES), -1, **WRITTEN), **WRITTEN
            ),
            "mod": lambda: sympy.Mod(a, random.choice(DIVISORS), **WRITTEN),
            "where": lambda: Choice(_condition(random, depth - 1), a, b),
        }[kind]()
    return kind(a, b) if kind in (Maximum, Minimum) else kind(a, b, **WRITTEN)


FUNCTIONS: dict[str, Any] = {
    "abs": abs,
    "floor": math.floor,
    "maximum": max,
    "minimum": min,
}


def value(node: Any, x: float, y: float) -> Any:
    """The value of an expression, by its structure."""
    if node.is_Symbol:
        return x if node == X else y
    if not node.args:
        return float(node) if isinstance(node, sympy.Expr) else bool(node)
    a = [value(argument, x, y) for argument in node.args]
    return {
        sympy.Add: lambda: sum(a),
        sympy.Mul: lambda: math.prod(a),
        sympy.Pow: lambda: a[0] ** a[1],
        Maximum: lambda: max(a),
        Minimum: lambda: min(a),
        sympy.Abs: lambda: abs(a[0]),
        sympy.floor: lambda: math.floor(a[0]),
        sympy.Mod: lambda: a[0] % a[1],
        Choice: lambda: a[1] if a[0] else a[2],
        Less: lambda: a[0] < a[1],
        LessEqual: lambda: a[0] <= a[1],
        Greater: lambda: a[0] > a[1],
        GreaterEqual: lambda: a[0] >= a[1],
        Equal: lambda: a[0] == a[1],
        NotEqual: lambda: a[0] != a[1],
        And: lambda: a[0] and a[1],
        Or: lambda: a[0] or a[1],
        Not: lambda: not a[0],
    }[node.func]()


def test_text_that_is_read_back_has_the_value_of_the_expression():
    random = Random(1)
    for _ in range(3000):
        expression = _expression(random, 4)
        text = Printer({X: "x", Y: "y"}, frozenset(), "float64")(expression)
        for x, y in ((1.5, -2.0), (-3.0, 0.5)):
            read = eval(text, {**FUNCTIONS, "x": x, "y": y})
            assert read == value(expression, x, y), text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (sympy.Mod(X, 3) - 1, "(x % 3.0) - 1.0"),
        (-sympy.Mod(X, 3) - 1, "-1.0 - (x % 3.0)"),
        (-sympy.Mod(X, 3), "-(x % 3.0)"),
        (2 * sympy.Mod(X, 3), "2.0 * (x % 3.0)"),
        (sympy.Mod(-X, 3, evaluate=False), "(-x) % 3.0"),
        (sympy.Pow(-X, 2, evaluate=False), "(-x)**2"),
        (-(X**2), "-x**2"),
        (sympy.Pow(X / Y, 2, evaluate=False), "(x / y)**2"),
        (sympy.Pow(sympy.Integer(-2), X, evaluate=False), "(-2.0) ** x"),
        (X**-Y, "x ** (-y)"),
        (X / 3 + 1, "1.0 + x / 3.0"),
        (X ** sympy.Integer(2**70), "x ** 1.1805916207174113e+21"),
        (Choice(Not(Greater(X, Y)), X, Y), "(x if not (x > y) else y)"),
        (
            Choice(Or(And(Less(X, 0), Less(Y, 0)), Equal(X, Y)), X, Y),
            "(x if ((x < 0.0) and (y < 0.0)) or (x == y) else y)",
        ),
    ],
)
def test_printer_brackets(expression, text):
    assert Printer({X: "x", Y: "y"}, frozenset(), "float64")(expression) == text
