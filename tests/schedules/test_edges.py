"""Schedules at their edges: what they may hold, infinity on the way, early and late steps."""

import math
import os

import numpy as np
import pytest
import sympy
from schedules.test_algebra import ALL
from support.small_rules import descending, falls

import learnerdsl as ld
from learnerdsl import schedules as s

# What an expression may hold


def nested(depth):
    expression = ld.step
    for _ in range(depth):
        expression = sympy.tanh(expression + 1, evaluate=False)
    return expression


def doubled(times):
    expression = ld.step
    for _ in range(times):
        expression = sympy.Add(expression, sympy.exp(expression), evaluate=False)
    return expression


REFUSED = {
    "code": (
        lambda: sympy.Function("(lambda k: __import__('os').mkdir('run'))")(ld.step),
        "lambda",
    ),
    "unknown function": (lambda: sympy.Function("foo")(ld.step), "cannot contain foo, as in foo"),
    "builtin": (lambda: sympy.Function("print")(ld.step), "cannot contain print"),
    "function beside others": (lambda: 1 + sympy.gamma(ld.step) / 2, "cannot contain gamma"),
    "condition": (
        lambda: ld.where(sympy.Function("f")(ld.step) > 1, 1, 2),
        "cannot contain f, as in f",
    ),
    "integral": (lambda: sympy.Integral(ld.step, ld.step), "cannot contain Integral"),
    "sum": (lambda: sympy.Sum(sympy.Symbol("i"), (sympy.Symbol("i"), 1, ld.step)), "contain Sum"),
    "derivative": (lambda: sympy.Derivative(sympy.gamma(ld.step), ld.step), "contain Derivative"),
    "norm": (lambda: ld.norm(ld.step), "A schedule cannot contain"),
    "max": (lambda: ld.max(ld.step), "A schedule cannot contain"),
    "transpose": (lambda: ld.transpose(ld.step), "A schedule cannot contain"),
    "complex": (lambda: sympy.I * ld.step, "cannot contain ImaginaryUnit, as in I"),
    "complex root": (lambda: ld.step * (-1) ** sympy.Rational(1, 3), "is not a real number"),
    "large": (lambda: ld.step * sympy.Integer(10) ** 400, "too large or too small for float64"),
    "huge": (lambda: ld.step * sympy.Integer(10) ** 5000, "too large or too small for float64"),
    "large float": (lambda: ld.step * sympy.Float("1e400"), "too large or too small"),
    "small float": (lambda: ld.step * sympy.Float("1e-400"), "too large or too small"),
    "deep": (lambda: nested(120), "too long or nested too deeply"),
    "long": (lambda: doubled(30), "too long or nested too deeply"),
    "not a number": (lambda: ld.step * sympy.nan, "has no value"),
    "symbols": (lambda: sympy.Symbol("b") * sympy.Symbol("a"), "depends on a, b; only"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_schedule_of_what_the_language_has_not_is_refused_when_it_is_made(
    name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    make, message = REFUSED[name]
    expression = make()
    with pytest.raises(ld.HyperparameterError) as caught:
        ld.Schedule(expression)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["code", "integral", "max", "complex", "deep"])
def test_a_hyperparameter_of_what_the_language_has_not_is_refused_and_changes_nothing(name):
    learner = descending(lr=0.5)
    with pytest.raises(ld.HyperparameterError):
        learner.hyperparameters["lr"] = REFUSED[name][0]()
    assert falls(learner, 2) == [0.5, 0.5]


FUNCTIONS = {
    "abs": math.fabs,
    "acos": math.acos,
    "asin": math.asin,
    "atan": math.atan,
    "ceil": math.ceil,
    "cos": math.cos,
    "cosh": math.cosh,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "sin": math.sin,
    "sinh": math.sinh,
    "sqrt": math.sqrt,
    "tan": math.tan,
    "tanh": math.tanh,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_of_the_language_is_one_of_schedules(name):
    schedule = ld.Schedule(getattr(ld, name)(ld.step / 7))
    expected = [FUNCTIONS[name](t / 7) for t in range(1, 8)]
    assert list(schedule.values(7)) == pytest.approx(expected, rel=1e-15)


def test_the_sign_of_zero_is_zero():
    assert list(ld.Schedule(ld.sign(ld.step - 2)).values(3)) == [-1, 0, 1]


@pytest.mark.parametrize("depth", [20, 30, 45])
def test_a_deep_expression_is_computed(depth):
    expected = 1.0
    for _ in range(depth):
        expected = math.tanh(expected + 1)
    assert ld.Schedule(nested(depth))(1) == expected


def test_a_thousand_pieces_are_computed():
    values = np.arange(1001.0)
    table = s.piecewise_constant(values, range(1, 1001))
    assert np.array_equal(table.values(1001), values)


LOGIC = {
    "not": (~((ld.step > 2) & (ld.step < 5)), lambda t: not 2 < t < 5),
    "or": ((ld.step < 2) | sympy.Ge(ld.step, 5), lambda t: t < 2 or t >= 5),
    "equal": (ld.equal(ld.step % 3, 1), lambda t: t % 3 == 1),
    "not equal": (ld.not_equal(ld.step, 4), lambda t: t != 4),
    "if": (sympy.ITE(ld.step > 3, ld.step > 5, ld.step < 2), lambda t: t > 5 if t > 3 else t < 2),
}


@pytest.mark.parametrize("name", LOGIC)
def test_conditions_of_every_kind_are_computed(name):
    condition, meant = LOGIC[name]
    schedule = ld.Schedule(ld.where(condition, 1.5, 0.5))
    assert list(schedule.values(7)) == [1.5 if meant(t) else 0.5 for t in range(1, 8)]


# Infinity, and what is no number

INFINITE_ON_THE_WAY = {
    "transformer": (ld.minimum((ld.step - 1) ** -0.5, (ld.step - 1) / 8), [0, 0.125, 0.25, 0.375]),
    "quotient": (1 / (1 + 1 / (ld.step - 2)), [math.nan, 0.0, 0.5, 2 / 3]),
    "overflow": (1 / ld.exp(1000 * (ld.step - 1)), [1.0, 0.0, 0.0, 0.0]),
    "power": (ld.minimum(10.0 ** (400 * (ld.step - 1)), 7), [1.0, 7.0, 7.0, 7.0]),
    "whole power": (ld.minimum(10 ** (400 * (ld.step - 1)), 7), [1.0, 7.0, 7.0, 7.0]),
    "logarithm": (ld.exp(ld.log(ld.step - 1)), [0.0, 1.0, 2.0, 3.0]),
    "floor": (ld.minimum(ld.floor(1 / ld.log(ld.step)), 4), [4.0, 1.0, 0.0, 0.0]),
    "below": (ld.maximum(-1 / (ld.step - 1), -3), [math.nan, -1.0, -0.5, -1 / 3]),
    "not chosen": (ld.where(ld.step > 1, 1 / (ld.step - 1), 5), [5.0, 1.0, 0.5, 1 / 3]),
}


@pytest.mark.parametrize("name", INFINITE_ON_THE_WAY)
def test_infinity_on_the_way_to_a_value_is_one_as_in_kernels(name):
    expression, expected = INFINITE_ON_THE_WAY[name]
    schedule = ld.Schedule(expression)
    for t, value in enumerate(expected, 1):
        if not math.isnan(value):
            assert schedule(t) == pytest.approx(value, rel=1e-14)


NO_VALUE = {
    "division by zero": (1 / (ld.step - 2), "inf"),
    "overflow": (ld.exp(1000 * (ld.step - 1)), "inf"),
    "overflow of a product": (ld.step * 1.7e308, "inf"),
    "difference": (1 / (ld.step - 2) - ld.exp(1000 * (ld.step - 1)), "nan"),
    "root": (ld.sqrt(1.5 - ld.step), "nan"),
    "power": ((1.5 - ld.step) ** 0.3, "nan"),
    "logarithm": (ld.log(1.5 - ld.step), "nan"),
    "arc cosine": (ld.acos(ld.step - sympy.Rational(1, 2)), "nan"),
    "remainder": (5 % (ld.step - 2), "nan"),
    "no piece": (sympy.Piecewise((1, ld.step < 2)), "nan"),
}


@pytest.mark.parametrize("name", NO_VALUE)
def test_a_step_without_a_finite_value_is_named(name):
    expression, value = NO_VALUE[name]
    schedule = ld.Schedule(expression)
    for ask in (lambda: schedule(2), lambda: schedule.values(3)):
        with pytest.raises(ld.HyperparameterError, match=rf" is {value} at step 2; look for a"):
            ask()


def test_infinity_is_a_value_where_the_expression_has_it():
    schedule = s.piecewise_constant([math.inf, 1.0], [2])
    assert list(schedule.values(3)) == [math.inf, math.inf, 1.0]


# Early and late steps


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "t", [0, -1, 0.5, 2**53 + 1, 10**400, math.nan, True, None, "3", 3j], ids=repr
)
def test_a_schedule_has_no_value_before_the_first_update_or_at_what_is_no_step(name, t):
    with pytest.raises(ld.HyperparameterError, match="Updates are counted from 1, to 2"):
        ALL[name](t)


@pytest.mark.parametrize("t", [np.ones(3), np.arange(3), [1, 2]], ids=repr)
def test_a_schedule_has_one_value_at_a_time(t):
    with pytest.raises(ld.HyperparameterError, match=r"schedule\.values\(n\) has the "):
        ALL["cosine"](t)


@pytest.mark.parametrize(
    "t", [np.int64(11), np.uint8(11), 11.0, np.float32(11), sympy.Integer(11)], ids=type
)
def test_a_step_may_be_of_any_type_of_number(t):
    for schedule in ALL.values():
        assert schedule(t) == schedule(11)


@pytest.mark.parametrize("name", ALL)
def test_the_values_are_right_however_late_the_step(name):
    schedule = ALL[name]
    for t in (1, 2, 3, 11, 1001, 10**6, 10**6 + 1, 10**9, 10**9 + 7, 2**53):
        exact = float(schedule.expression.subs(ld.step, t).evalf(60))
        assert schedule(t) == pytest.approx(exact, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize(
    ("schedule", "last"),
    [
        (s.exponential(1e-7, 10.0, 100, final=1.0), 1.0),
        (s.exponential(1e-7, 10, 1, final=1.0), 1.0),
        (s.exponential(1e-7, 10.0, 100, staircase=True, final=1.0), 1.0),
        (s.exponential(-1e-7, 10.0, 100, final=-1.0), -1.0),
        (s.exponential(-1.0, 0.5, final=-0.25), -0.25),
        (s.warmup_exponential(0.0, 1e-7, 5, 10.0, final=1.0), 1.0),
        (s.exponential(1.0, 0.5), 0.0),
        (s.exponential(1.0, 3), None),
    ],
    ids=range(8),
)
def test_growth_stops_at_the_final_value_for_ever(schedule, last):
    for t in (10**5, 10**9, 2**53):
        if last is None:
            with pytest.raises(ld.HyperparameterError, match=f"is inf at step {t}"):
                schedule(t)
        else:
            assert schedule(t) == last


def test_decay_and_growth_below_zero_stop_at_the_final_value():
    assert list(s.exponential(-1.0, 0.5, final=-0.2).values(4)) == [-1, -0.5, -0.25, -0.2]
    assert list(s.exponential(-1.0, 2.0, final=-3.0).values(4)) == [-1, -2, -3, -3]


# No warm-up

PLAIN = s.cosine(1.0, steps=10)

NO_WARMUP = {
    "warmup": (s.warmup(PLAIN, 0), PLAIN),
    "warmup from a value": (s.warmup(PLAIN, 0, initial=0.5), PLAIN),
    "warmup_constant": (s.warmup_constant(0.0, 0.3, 0), s.constant(0.3)),
    "warmup_cosine": (s.warmup_cosine(0.0, 1.0, warmup_steps=0, steps=10), PLAIN),
    "warmup_exponential": (s.warmup_exponential(0.0, 1.0, 0, 0.5), s.exponential(1.0, 0.5)),
    "inverse_sqrt": (s.inverse_sqrt(0.3, 0), ld.Schedule(0.3 / ld.sqrt(ld.step))),
    "noam": (s.noam(64, 0), ld.Schedule(0.125 / ld.sqrt(ld.step))),
    "wsd": (s.wsd(1.0, 0, 0, 10, shape="cosine"), PLAIN),
}


@pytest.mark.parametrize("name", NO_WARMUP)
@pytest.mark.parametrize("steps", [1, 12])
def test_no_steps_of_warmup_are_no_warmup(name, steps):
    given, plain = NO_WARMUP[name]
    assert np.array_equal(given.values(steps), plain.values(steps))


@pytest.mark.parametrize("loss", ["low", None, 10**400, [1.0, 2.0]], ids=type)
def test_a_loss_that_is_no_number_is_refused(loss):
    rate = s.ReduceOnPlateau(0.1)
    with pytest.raises(ld.HyperparameterError, match="A loss must be a number, got"):
        rate.observe(loss)


@pytest.mark.parametrize("name", ["value", "best", "bad", "cooling"])
@pytest.mark.parametrize("wrong", [math.nan, None, "a", 10**400], ids=type)
def test_a_plateau_is_not_loaded_from_what_is_no_number(name, wrong):
    rate = s.ReduceOnPlateau(0.1)
    before = rate.state_dict()
    with pytest.raises(ld.CheckpointError, match="must have numbers"):
        rate.load_state_dict({**before, name: wrong})
    assert rate.state_dict() == before
