"""What a rule writes is what it computes: the cases that SymPy, or the compiler, once rewrote."""

import itertools

import numpy as np
import pytest
import sympy
from numpy.testing import assert_array_equal

import learnerdsl as ld

INF, NAN = np.inf, np.nan


def updated(function, parameter, gradient, backend, updates=1, **arguments):
    p = np.array(parameter)
    function.__name__ = "rule"
    learner = ld.rule(function)([p], backend=backend, **arguments)
    for _ in range(updates):
        learner.update([np.array(gradient, p.dtype)])
    return p


def check(function, parameter, gradient, wanted, updates=1):
    for backend in ("cpu", "numpy"):
        found = updated(function, parameter, gradient, backend, updates)
        np.testing.assert_allclose(found, wanted, rtol=1e-6 if found.dtype == "f4" else 1e-14)


# Choices and conditions are not folded into each other, nor through reductions


def folded_through_a_sum(p, g):
    total = ld.sum(ld.where(g < 0, ld.exp(g), -ld.exp(g)))
    return ld.assign(p, ld.where(total + ld.where(g < 0, 1, 0) > 0, 10, 20))


def chosen_by_a_choice(p, g):
    return ld.assign(p, ld.where(ld.where(g > 0, p, 2) > 1, p, g))


def not_above(p, g):
    return ld.assign(p, ld.where(~(p > g), 1, 0))


def not_itself(p, g):
    return ld.assign(p, ld.where(ld.not_equal(g, g), 1, 0))


def itself(p, g):
    return ld.assign(p, ld.where(ld.equal(g, g), 1, 0))


def above_or_not(p, g):
    return ld.assign(p, ld.where((g > 0) | (g <= 0), 1, 0))


def floor_not_at_least(p, g):
    return ld.assign(p, ld.where(~(ld.floor(g) >= 1) & ~(ld.ceil(g) < 1), 1, 0))


def square_not_below(p, g):
    return ld.assign(p, ld.where(g**2 >= 0, 1, 0))


def one_or_the_other(p, g):
    return ld.assign(p, ld.where((g > 0) ^ (p > 0), 1, 0))


def from_sympy(p, g):
    return ld.assign(p, sympy.Piecewise((1, g > 1), (2, (g > 0) & (p > 0)), (3, True)))


def both_signs(p, g):
    return ld.assign(p, ld.where((g > -1) & ~ld.equal(g, 0) & (g < 1), g, 5))


@pytest.mark.parametrize(
    ("function", "parameter", "gradient", "wanted"),
    [
        (folded_through_a_sum, [0.0] * 4, [-1, 2, 3, -4], [20, 20, 20, 20]),
        (chosen_by_a_choice, [0.5, 2.0], [1, -1], [1, 2]),
        (not_above, [0.0, 0.0, 0.0], [NAN, 1, -1], [1, 1, 0]),
        (not_itself, [0.0, 0.0], [NAN, 1], [1, 0]),
        (itself, [0.0, 0.0], [NAN, 1], [0, 1]),
        (above_or_not, [0.0, 0.0], [NAN, 1], [0, 1]),
        (floor_not_at_least, [0.0, 0.0, 0.0], [NAN, 2, 0.5], [1, 0, 1]),
        (square_not_below, [0.0, 0.0], [NAN, -2], [0, 1]),
        (one_or_the_other, [1.0, 1.0, -1.0, -1.0], [1, -1, 1, -1], [0, 1, 1, 0]),
        (from_sympy, [1.0, 1.0, -1.0], [2, 0.5, 0.5], [1, 2, 3]),
        (both_signs, [0.0, 0.0, 0.0], [0.5, 0, 2], [0.5, 5, 5]),
    ],
)
def test_conditions_mean_what_they_say(function, parameter, gradient, wanted):
    check(function, parameter, gradient, wanted)


# Arithmetic in the order in which it is written


def test_the_square_of_a_quotient_does_not_overflow_where_the_quotient_does_not():
    def rule(p, g):
        return ld.assign(p, (g / ld.norm(g)) ** 2)

    check(rule, np.zeros(2, np.float32), [3e25, 4e25], [0.36, 0.64])


def test_the_square_of_a_product_does_not_underflow_where_the_product_does_not():
    def rule(p, g):
        return ld.assign(p, (1e-30 * g) ** 2)

    check(rule, np.zeros(2, np.float32), [3e25, 4e30], [9e-10, 16.0])


@pytest.mark.parametrize(
    ("value", "gradient", "wanted"),
    [
        (lambda p, g: -(g % 3) - 1, [1.0, 2.0], [-2, -3]),
        (lambda p, g: -(g % 3) - 0.5 * p, [1.0, 2.0], [-1.5, -2.5]),
        (lambda p, g: (-0.999 - p % 2) * ld.size(p), [1.0, 2.0], [-3.998, -3.998]),
        (lambda p, g: 2 - (-g) % 3, [1.0, 2.0], [0, 1]),
        (lambda p, g: g % -3, [1.0, -1.0], [-2, -1]),
        (lambda p, g: 7 % g, [2.0, -4.0], [1, -1]),
        (lambda p, g: -g // 2, [3.0, -3.0], [-2, 1]),
        (lambda p, g: -((-g) ** 2), [3.0, -3.0], [-9, -9]),
        (lambda p, g: 2**-g, [1.0, -1.0], [0.5, 2]),
        (lambda p, g: abs(g - 2 * p), [1.0, -1.0], [1, 3]),
        (lambda p, g: ld.floor((g - 1) / 3), [7.0, 4.0], [2, 1]),
        (lambda p, g: ((g - 1) / 3) % 1, [7.0, 4.0], [0, 0]),
        (lambda p, g: ld.where(ld.equal((g - 1) / 3, 2), 1, 0), [7.0, 4.0], [1, 0]),
        (lambda p, g: g / 3, [6.0, 1.0], [2, 1 / 3]),
    ],
)
def test_operators_keep_their_order(value, gradient, wanted):
    check(lambda p, g: ld.assign(p, value(p, g)), [1.0, 1.0], gradient, wanted)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (lambda p: ld.step + 0.5, 1.5),
        (lambda p: 0.25 * ld.step - 2, -1.75),
        (lambda p: ld.size(p) + 1.5 * ld.step, 3.5),
        (lambda p: ld.floor(ld.step / 3 + 0.5), 0),
        (lambda p: ld.where(ld.step + 0.5 > 1, ld.step % 2 + 0.5, 0), 1.5),
    ],
    ids=itertools.count(),
)
def test_floats_are_added_to_whole_numbers(value, wanted):
    check(lambda p, g: ld.assign(p, value(p)), [0.0, 0.0], [1.0, 1.0], wanted)


@pytest.mark.parametrize("divisor", [3, 5, 7, 10, 49])
def test_a_staircase_of_the_step_is_exact(divisor):
    @ld.rule
    def stairs(p, g):
        count = ld.state("count", shape="tensor")
        done = ld.assign(count, count + 1)
        named = ld.let("named", (ld.step - 1) / divisor)
        hit = ld.where(ld.equal((ld.step - 1) / divisor, ld.floor(named)), 1, 0)
        stair = ld.floor((ld.step - 1) / divisor) + ld.floor(named) + ld.floor((done - 1) / divisor)
        return ld.assign(p, stair + 1000 * hit)

    for backend in ("cpu", "numpy"):
        p = np.zeros(1, np.float64)
        learner = stairs([p], backend=backend)
        for step in range(1, 201):
            learner.update([np.ones(1)])
            k, rest = divmod(step - 1, divisor)
            assert p[0] == 3 * k + 1000 * (rest == 0), (backend, step)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (lambda g: g * ((ld.pi**8) % 7), np.pi**8 % 7),
        (lambda g: g * ld.pi / 3, np.pi / 3),
        (lambda g: g * ld.sqrt(2) * ld.pi**10 * 1e-3, np.sqrt(2) * np.pi**10 * 1e-3),
        (lambda g: g + ld.exp(1) - ld.log(10) ** 3, 1 + np.e - np.log(10) ** 3),
        (lambda g: g * ld.where(ld.pi > 3, ld.pi, 0), np.pi),
        (lambda g: g * ld.sqrt((ld.pi // 1e-3) ** 2), 3141),
        (lambda g: g * ld.ceil(ld.pi * 1e20), np.pi * 1e20),
        (lambda g: ld.tan(ld.where(g > 0, 1e10, 2)), np.tan(np.float64(np.float32(1e10)))),
    ],
)
def test_a_constant_is_of_float64_and_cast_once(value, wanted):
    for backend in ("cpu", "numpy"):
        p = updated(lambda p, g: ld.assign(p, value(g)), np.ones(1, np.float32), [1.0], backend)
        assert abs(p[0] - np.float32(wanted)) <= np.spacing(abs(np.float32(wanted)))


@pytest.mark.parametrize(
    "condition",
    [
        lambda p, lr, cost: ld.tanh(ld.size(p)) < 1,
        lambda p, lr, cost: (lr > 1) & (lr < 1 + 1e-11),
        lambda p, lr, cost: ld.mean(lr + 0 * p) > 1,
        lambda p, lr, cost: ld.equal(cost + 1, 2**25 + 1),
        lambda p, lr, cost: (p > 0) | ~(lr > 1),
    ],
    ids=itertools.count(),
)
def test_a_condition_of_scalars_is_decided_in_float64(condition):
    def rule(p, g, lr=1 + 1e-12):
        cost = ld.state("cost", init=2.0**25, shape="tensor")
        new = ld.assign(p, ld.where(condition(p, lr, cost), g, p))
        return ld.combine([new, ld.assign(cost, cost + 1)])

    for shape in ((12,), (3, 4)):
        ones = np.ones(shape, np.float32)
        check(rule, ones, 5 * ones, 5 * ones)


@pytest.mark.parametrize(
    "coefficient", [lambda mu: -1 - mu**2, lambda mu: -mu - 1], ids=["square", "sum"]
)
def test_a_divisor_that_is_known_to_be_negative_compiles(coefficient):
    def rule(p, g, lr=0.5, mu=1.0):
        return ld.assign(p, p + lr * g / coefficient(mu))

    check(rule, [1.0], [4.0], [0.0])


def test_a_large_power_is_a_float():
    check(lambda p, g: ld.assign(p, g ** (2.0**70)), [0.0, 0.0], [0.5, 1.0], [0, 1])


def test_the_derivative_of_a_maximum_has_a_kernel():
    def rule(p, g):
        penalty = 0.5 * ld.maximum(p - 1, 0) ** 2 + ld.minimum(g, p)
        return ld.assign(p, sympy.diff(penalty, p))

    check(rule, [0.5, 3.0], [1.0, 1.0], [1, 2])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda p, g: ld.where(g == 0, p, g), "learnerdsl.equal(a, b)"),
        (lambda p, g: ld.where(2 * g + 1 != p, p, g), "learnerdsl.not_equal(a, b)"),
        (lambda p, g: p if ld.step == 1 else g, "learnerdsl.equal(a, b)"),
        (lambda p, g: p if g > 0 else g, "where(condition, a, b)"),
        (lambda p, g: ld.where(0 < g < 1, p, g), "(a > b) & (b > c)"),
        (lambda p, g: max(g, 0), "instead of NumPy's, max and min"),
        (lambda p, g: ld.max(g, 0), "maximum(a, b)"),
        (lambda p, g: ld.step % 0, "% 0 has no value"),
        (lambda p, g: g[0], "a rule describes one element"),
        (lambda p, g: g.mean(), "a rule describes one element"),
        (lambda p, g: g.T, "a rule describes one element"),
        (lambda p, g: len(g), "a rule describes one element"),
        (lambda p, g: np.sign(g), "NumPy"),
        (lambda p, g: int(g), "learnerdsl.floor(x)"),
        (lambda p, g: round(g), "learnerdsl.floor(x + 0.5)"),
        (lambda p, g: ld.sqrt("g"), "not an expression"),
        (lambda p, g: ld.maximum(g, None), "not an expression"),
        (lambda p, g: ld.clip(g, 0, 1j), "not a real number"),
        (lambda p, g: ld.where(1, p, g), "not a condition"),
        (lambda p, g: ld.where(np.array([True]), p, g), "not a condition"),
        (lambda p, g: sympy.Integer(1) % 0, "% 0 has no value"),
        (lambda p, g: g % 0.0, "% 0 has no value"),
        (lambda p, g: ld.sinh(1e30) % 3, "not a finite number"),
        (lambda p, g: ld.sinh(1e30) // 3, "not a finite number"),
        (lambda p, g: ld.exp(ld.sinh(1e30)), "not a finite number"),
        (lambda p, g: g + ld.floor(ld.exp(ld.exp(100))), "not a finite number"),
        (lambda p, g: g * 10**400, "not a finite number"),
        (lambda p, g: g * sympy.Integer(10) ** 5000, "not a finite number"),
        (lambda p, g: g * ld.exp(1000), "not a finite number"),
        (lambda p, g: g * ld.exp(-1000), "too small for float64"),
        (lambda p, g: g * sympy.Float("1e-400"), "too small for float64"),
        (lambda p, g: ld.where(g > 10**400, p, g), "not a finite number"),
        (lambda p, g: g ** (10**400), "not a finite number"),
        (lambda p, g: g * ld.acos(2), "not a real number"),
        (lambda p, g: p * (-ld.pi) ** sympy.Rational(1, 5), "not a real number"),
        (
            lambda p, g: p * (sympy.Rational(-7, 5) ** (16777217 / ld.sqrt(1 + 16777217**2)) % 0.3),
            "not a real number",
        ),
    ],
    ids=itertools.count(),
)
def test_what_cannot_be_meant_is_refused_with_what_to_write(value, words):

    def written(p, g):
        return ld.assign(p, value(p, g))

    with pytest.raises(ld.RuleError) as caught:
        ld.rule(written).trace()
    assert words in str(caught.value)


def test_outside_a_rule_the_operators_are_sympys():
    a, b = sympy.symbols("a b", positive=True)
    seen = []

    @ld.rule
    def rule(p, g):
        seen.append(sympy.sqrt(sympy.Max(a, b)))
        return ld.assign(p, ld.where(g > p, p, g))

    rule.trace()
    assert (a > -1) == sympy.true
    assert isinstance(~(a > b), sympy.LessThan)
    assert sympy.Symbol("a", positive=True) == a
    assert (a * b) ** 2 == a**2 * b**2
    assert seen[0] == sympy.sqrt(sympy.Max(a, b))


def test_doit_gives_sympys_own_nodes():
    @ld.rule
    def rule(p, g):
        return ld.assign(p, ld.where(g > 0, (p * g) ** 2, g % 3))

    expression = rule.assignments[0][1].doit()
    p, g = (sympy.Symbol("p", real=True), sympy.Symbol("g", real=True))
    plain = expression.xreplace({s: {"p": p, "g": g}[s.name] for s in expression.free_symbols})
    assert plain == sympy.Piecewise((p**2 * g**2, g > 0), (sympy.Mod(g, 3), True))


def test_derivatives_and_substitution_go_through_choices():
    @ld.rule
    def rule(p, g):
        return ld.assign(p, ld.where(g > 0, (p * g) ** 2, p % 3))

    trace = rule.trace()
    expression = trace.lines[0].expression
    slope = sympy.diff(expression, trace.parameter)
    at = {trace.parameter: 4.0, trace.gradient: 3.0}
    assert float(slope.subs(at)) == 72.0
    assert float(expression.subs({**at, trace.gradient: -1.0})) == 1.0
    assert r"\begin{cases}" in rule.latex()
    assert_array_equal(sympy.lambdify(list(at), expression, "numpy")(4.0, 3.0), 144.0)


@pytest.mark.parametrize(
    "value",
    [
        lambda g, mu: ld.max(mu),
        lambda g, mu: ld.norm(ld.tan(mu)),
        lambda g, mu: ld.sum(ld.mean(g)),
        lambda g, mu: ld.max(ld.mean(g, over="model"), over="model"),
        lambda g, mu: ld.sum(mu * ld.step, axis=0),
        lambda g, mu: ld.sum(ld.norm(g) * mu, over="model"),
        lambda g, mu: ld.sum(-mu / (1 + ld.norm(g)), over="model"),
    ],
    ids=itertools.count(),
)
def test_a_reduction_of_scalars_is_in_float64(value):
    def rule(p, g, mu=0.9):
        s = ld.state("s", shape="tensor")
        return ld.combine([ld.assign(s, value(g, mu)), ld.assign(p, p - g)])

    found = []
    for backend in ("cpu", "numpy"):
        for size in (7, 0):
            learner = ld.rule(rule)([np.ones(size, np.float32)], backend=backend)
            learner.update([np.full(size, 0.3, np.float32)])
            found.append(float(learner.state[0]["s"]))
    np.testing.assert_allclose(found[:2], found[2:], rtol=1e-14)


@pytest.mark.parametrize(
    "number", [2 ** ld.tanh(123456), 2 ** ld.tanh(ld.exp(3) % 2)], ids=["whole", "remainder"]
)
def test_a_constant_exponent_may_be_an_expression(number):
    wanted = [float(number.evalf()), -2 * float(number.evalf())]
    check(lambda p, g: ld.assign(p, g * number), [0.0, 0.0], [1.0, -2.0], wanted)


def test_elements_are_narrow_beside_means_along_axes():
    def rule(p, g, mu=0.1):
        s = ld.state("s", shape="model")
        narrow = ld.let("narrow", g - ld.mean(g, axis=0))
        largest = ld.mean(ld.maximum(mu, narrow), over="model")
        return ld.combine([ld.assign(s, largest), ld.assign(p, p - g)])

    for backend in ("cpu", "numpy"):
        learner = ld.rule(rule)([np.ones((2, 3), np.float32)], backend=backend)
        learner.update([np.full((2, 3), 1e-4, np.float32)])
        assert learner.model_state["s"] == float(np.float32(0.1))


def test_a_pass_without_arrays_is_code_for_cuda_too():
    @ld.rule
    def rule(p, g, mu=0.9):
        s = ld.state("s", shape="tensor")
        total = ld.sum(ld.norm(g) * mu, over="model")
        return ld.combine([ld.assign(s, total), ld.assign(p, p - g)])

    assert "packs = count // 4\n" in rule.loops("cuda")
