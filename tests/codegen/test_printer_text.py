"""The printer: exact text of single expressions."""

import numpy as np
import pytest
import sympy

import learnerdsl as ld
from learnerdsl.codegen.printer import Printer
from learnerdsl.codegen.text import LONGEST_COMMENT, comment

x, y, c = sympy.symbols("x y c", real=True)


def printed(expression, dtype="float64"):
    return Printer({x: "x", y: "y", c: "c"}, frozenset({"c"}), dtype)(expression)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (x + y * c, "x + c * y"),
        (x - c * y, "x - c * y"),
        (-x - y, "-x - y"),
        (-(x + y), "-x - y"),
        (x * y / c, "x * y / c"),
        (x / y / (1 + y), "x / y / (y + 1.0)"),
        (1 / x, "1.0 / x"),
        (-1 / x, "-1.0 / x"),
        (x**2, "x**2"),
        ((x + 1) ** 3, "(x + 1.0)**3"),
        (sympy.sqrt(x), "sqrt(x)"),
        (1 / sympy.sqrt(x + y), "1.0 / sqrt(x + y)"),
        (x ** sympy.Rational(3, 2), "x * sqrt(x)"),
        (x ** sympy.Rational(-3, 2), "1.0 / (x * sqrt(x))"),
        (x ** sympy.Rational(7, 4), "x * sqrt(x) * sqrt(sqrt(x))"),
        (x**y, "x ** y"),
        (x / 3, "x / 3.0"),
        (2 * x / 3, "2.0 * x / 3.0"),
        (sympy.Abs(x) * sympy.sign(y), "abs(x) * sign(y)"),
        (ld.maximum(x, y, 0), "maximum(maximum(x, y), 0.0)"),
        (ld.where(x > 0, x, -y), "(x if x > 0.0 else -y)"),
        (ld.where((x > 0) & (y <= c), 1, 2), "(1.0 if (y <= c) and (x > 0.0) else 2.0)"),
        (
            ld.where(ld.equal(x, 0) | ld.not_equal(y, 1), x, y),
            "(x if (x == 0.0) or (y != 1.0) else y)",
        ),
        (sympy.exp(-(x**2)), "exp(-x**2)"),
        (x + y % 2, "x + (y % 2.0)"),
        (-(y % 2) - x, "-x - (y % 2.0)"),
        (-(y % 2) - 1, "-1.0 - (y % 2.0)"),
        (c * (-x % y), "c * ((-x) % y)"),
        (x * ld.where(x > 0, 1, 0.5), "x * (1.0 if x > 0.0 else 0.5)"),
    ],
)
def test_printer_writes(expression, text):
    assert printed(expression) == text
    # What is written means what the expression means.
    names = {**{n: getattr(np, n) for n in ("sqrt", "abs", "sign", "maximum", "exp")}, "c": 0.7}
    for a, b in ((0.3, 1.7), (2.5, 0.2)):
        value = float(expression.subs({x: a, y: b, c: 0.7}))
        assert eval(text, {**names, "x": a, "y": b}) == pytest.approx(value, rel=1e-14)


def test_constants_carry_the_type_of_the_loop():
    assert printed(x / 2 + 1, "float32") == "float32(1.0) + float32(0.5) * x"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_signs_of_a_reduced_product_cancel(dtype):
    @ld.rule
    def rule(p, g):
        s = ld.state("s")
        s_new = ld.assign(s, ld.max(-g * (1e-30 - ld.log(2))))
        return ld.combine([s_new, ld.assign(p, p - s_new)])

    learner = rule([np.ones(3, dtype)])
    learner.update([np.array([0.5, -3.0, 1.0], dtype)])
    np.testing.assert_allclose(learner.state[0]["s"], np.log(2), rtol=1e-6)


@pytest.mark.parametrize("length", [1, 40, 98])
def test_a_short_note_is_a_comment_as_it_is(length):
    assert comment("x" * length) == "# " + "x" * length


def test_a_long_note_is_a_comment_of_one_line_that_ends_in_an_ellipsis():
    text = comment("the first line\nand " + "more " * 20_000)
    assert text.startswith("# the first line and more more")
    assert len(text) == LONGEST_COMMENT
    assert text.endswith("...")


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_no_comment_of_a_kernel_is_longer_than_a_line(target):
    name = "_".join(["a_long_name_of_a_value"] * 5)

    @ld.rule
    def wordy(p, g, lr=0.1):
        x = ld.let(name, ld.norm(g) * lr)
        for k in range(5):
            x = ld.let(f"{name}_{k}", ld.where((x > k) & (x * g < 3), x * g + 1, x - p))
        return ld.assign(p, p - lr * x)

    lines = [line.strip() for line in wordy.source(target).splitlines() if "#" in line]
    comments = [line[line.index("#") :] for line in lines]
    assert len(comments) > 5
    assert max(map(len, comments)) == LONGEST_COMMENT
