"""The expressions of a rule: symbols, constants, functions and calls that are refused, and why."""

import math

import numpy as np
import pytest
import sympy
from support.mistakes import DONOR, FOREIGN, expression_refused

import learnerdsl as ld

# Symbols that are not the rule's own


def test_an_unknown_symbol_is_refused_with_the_known_ones():
    expression_refused(
        lambda p, g: p - sympy.Symbol("q") * g,
        "p <- -g*q + p (statement 1 of rule rule)",
        "q is not a symbol of this rule",
        "Known are p, g, lr",
        "declare a state with state(...)",
        "hyperparameter as an argument with a float default",
    )


def test_a_plain_symbol_with_the_name_of_the_gradient_is_told_apart_from_it():
    expression_refused(
        lambda p, g: p - sympy.Symbol("g"),
        "g is not the g of this rule",
        "the argument itself",
    )


@pytest.mark.parametrize("what", FOREIGN)
def test_a_symbol_of_another_rule_is_refused_by_the_name_of_that_rule(what):
    expression_refused(
        lambda p, g: p - FOREIGN[what] * g,
        "statement 1 of rule rule",
        f"{FOREIGN[what]} belongs to rule donor, not to this one",
    )


# Expressions


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (lambda p, g: math.inf, "oo"),
        (lambda p, g: math.nan * g, "nan"),
        (lambda p, g: p - sympy.oo * g, "-oo"),
        (lambda p, g: ld.minimum(g, -sympy.oo), "-oo"),
        (lambda p, g: p - g / sympy.Integer(0), "zoo"),
    ],
    ids=["inf", "nan", "infinite factor", "infinite bound", "division by zero"],
)
def test_a_constant_that_is_not_finite_is_refused(value, written):
    expression_refused(value, "statement 1 of rule rule", f"constant {written} is not a finite")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (lambda p, g: sympy.gamma(g), "gamma"),
        (lambda p, g: p * sympy.gamma(sympy.Rational(1, 3)), "gamma"),
        (lambda p, g: sympy.erfc(g), "erfc"),
        (lambda p, g: sympy.Function("h")(g), "h"),
        (lambda p, g: sympy.Integral(p, g), "Integral"),
    ],
    ids=[
        "gamma",
        "gamma of a number",
        "error function",
        "undefined",
        "integral",
    ],
)
def test_a_function_that_no_kernel_has_is_refused_with_those_it_has(value, name):
    expression_refused(
        value,
        "statement 1 of rule rule",
        f"{name} has no meaning in a kernel",
        "abs, acos",
        "where",
    )


@pytest.mark.parametrize(
    "value",
    [
        lambda p, g: p + 1j * g,
        lambda p, g: p + sympy.I,
        lambda p, g: ld.sqrt(-1) * g,
        lambda p, g: ld.log(-1) * g,
        lambda p, g: p * sympy.Symbol("A", commutative=False),
    ],
    ids=["python", "sympy", "root", "logarithm", "matrix symbol"],
)
def test_a_value_that_is_not_real_is_refused(value):
    expression_refused(value, "is not a real number; rules compute with real numbers only")


@pytest.mark.parametrize(
    "value",
    ["p - g", True, None, np.zeros(2), (1, 2), sympy.true],
    ids=["text", "bool", "None", "array", "tuple", "truth"],
)
def test_what_is_no_expression_is_refused(value):
    expression_refused(
        lambda p, g: value,
        f"{value!r} ({type(value).__name__}) is not an expression",
        "write symbols, numbers and the functions of learnerdsl or sympy",
    )


def test_a_comparison_is_no_expression():
    expression_refused(
        lambda p, g: g > 0,
        "g > 0 (Greater) is not an expression but a condition",
        "write where(g > 0, 1, 0)",
    )


def test_an_array_of_expressions_is_no_expression():
    expression_refused(lambda p, g: p + g * np.ones(2), "(ndarray) is not an expression")


@pytest.mark.parametrize(
    "condition", [lambda g: g, lambda g: "g > 0", lambda g: 2], ids=["symbol", "text", "number"]
)
def test_where_needs_a_comparison(condition):
    expression_refused(
        lambda p, g: ld.where(condition(g), p, g),
        "is not a condition",
        "a comparison such as g > 0",
    )


def test_a_python_if_on_a_symbol_asks_for_where():
    expression_refused(lambda p, g: p - g if g > 0 else p, "where(")


@pytest.mark.parametrize("function", [np.sqrt, math.sqrt], ids=["numpy", "math"])
def test_a_function_of_numbers_asks_for_one_of_symbols(function):
    expression_refused(lambda p, g: p - function(g), "learnerdsl.sqrt")


@pytest.mark.parametrize("over", ["rows", "Tensor", "", None, 0])
@pytest.mark.parametrize("reduction", [ld.sum, ld.mean, ld.norm, ld.max])
def test_a_reduction_over_something_unknown_is_refused(reduction, over):
    expression_refused(
        lambda p, g: p - reduction(g, over=over),
        f"A reduction cannot range over {str(over)!r}",
        "write over='tensor' or over='model'",
    )


def test_a_size_over_something_unknown_is_refused():
    expression_refused(
        lambda p, g: p / ld.size(p, over="rows"), "A size cannot range over 'rows'", "over='tensor'"
    )


@pytest.mark.parametrize("of", [lambda p: 2 * p, lambda p: 3], ids=["expression", "number"])
def test_the_size_of_an_expression_is_refused(of):
    expression_refused(lambda p, g: p / ld.size(of(p)), "is not defined; write the size of the par")


def test_the_size_of_a_text_is_refused():
    expression_refused(lambda p, g: p / ld.size("p"), "'p' (str) is not an expression")


def test_a_let_of_another_dtype_is_refused():
    expression_refused(
        lambda p, g: ld.let("x", g, dtype="float16"),
        "let('x') cannot have dtype='float16'",
        "write dtype='parameter' or leave it out",
    )


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("state", lambda: ld.state("a")),
        ("assign", lambda: ld.assign(DONOR.parameter, 0)),
        ("let", lambda: ld.let("a", 0)),
    ],
)
def test_what_belongs_into_a_rule_is_refused_outside(name, call):
    with pytest.raises(
        ld.RuleError, match=rf"^{name}\(\.\.\.\) was called outside a rule; write it"
    ):
        call()


def test_after_a_failed_trace_no_rule_is_being_traced():
    expression_refused(lambda p, g: "text", "is not an expression")
    with pytest.raises(ld.RuleError, match="outside a rule"):
        ld.state("a")


def test_an_error_of_the_users_own_code_comes_through():
    expression_refused(lambda p, g: {}["missing"], "missing", error=KeyError)
