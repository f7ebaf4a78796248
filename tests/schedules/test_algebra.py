"""Schedules as mathematics: arithmetic, derivatives, values, printing, and what is refused."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest
import sympy
from support import ROOT
from support.small_rules import BACKENDS, descending, falls

import learnerdsl as ld
from learnerdsl import schedules
from learnerdsl.schedules import (
    chebyshev,
    constant,
    cosine,
    cosine_periodic,
    cosine_restarts,
    cyclic,
    exponential,
    held,
    inverse_sqrt,
    inverse_time,
    join,
    linear,
    noam,
    one_cycle,
    one_cycle_optax,
    piecewise_constant,
    piecewise_interpolate,
    polynomial,
    power_cool,
    product,
    rex,
    step_decay,
    swa_annealing,
    warmup,
    warmup_constant,
    warmup_cosine,
    warmup_exponential,
    wsd,
)

ALL = {
    "chebyshev": chebyshev(0.05, 1.0, 16),
    "chebyshev sorted": chebyshev(0.05, 1.0, 13, fractal=False),
    "constant": constant(0.3),
    "cosine": cosine(0.3, 49),
    "cosine_periodic": cosine_periodic(0.3, 13, 0.1),
    "cosine_restarts": cosine_restarts(0.3, 7, restart_decay=0.9),
    "cosine_restarts longer": cosine_restarts(0.3, 7, 0.1, period_growth=2),
    "cyclic": cyclic(0.1, 0.5, 5, 8),
    "exponential": exponential(0.3, 0.9, 4, begin=5, final=0.1),
    "held": held(0.3),
    "inverse_sqrt": inverse_sqrt(0.3, 10),
    "inverse_time": inverse_time(0.3, 0.5, 3),
    "join": join([linear(0.3, 0.1, 7), constant(0.1), rex(0.1, 20)], [10, 20]),
    "linear": linear(0.3, 0.0, 49),
    "noam": noam(64, 20),
    "one_cycle": one_cycle(0.3, 50),
    "one_cycle_optax": one_cycle_optax(0.3, 50),
    "piecewise_constant": piecewise_constant([0.3, 0.2, 0.1], [5, 9]),
    "piecewise_interpolate": piecewise_interpolate([0.3, 0.2, 0.5], [5, 9], "cosine"),
    "polynomial": polynomial(0.3, 0.0, 49, 2),
    "power_cool": power_cool(0.3, 49, 3e-3),
    "product": product([cosine(0.3, 30), held(1.0, 0.5, 10)]),
    "rex": rex(0.3, 49),
    "step_decay": step_decay(0.3, 0.5, 10),
    "swa_annealing": swa_annealing(0.3, 0.1),
    "warmup": warmup(cosine(0.3, 30), 10),
    "warmup_constant": warmup_constant(0.0, 0.3, 10),
    "warmup_cosine": warmup_cosine(0.0, 0.3, 10, 40),
    "warmup_exponential": warmup_exponential(0.0, 0.3, 10, 0.9),
    "wsd": wsd(0.3, 10, 20, 15),
}

PUBLIC = [
    name
    for name, thing in vars(schedules).items()
    if inspect.isfunction(thing) and not name.startswith("_")
]


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


# Every schedule


@pytest.mark.parametrize("name", [*PUBLIC, "ReduceOnPlateau"])
def test_a_schedule_has_arguments_a_source_and_an_example(name):
    text = inspect.getdoc(getattr(schedules, name))
    assert "Args:\n" in text
    assert "Source: " in text
    assert ">>> " in text


@pytest.mark.parametrize("name", [*PUBLIC, "ReduceOnPlateau"])
def test_a_schedule_is_in_the_documentation(name):
    page = ROOT / "docs" / "schedules.md"
    assert f"`{name}" in page.read_text()


def test_every_schedule_is_tested_here():
    assert {name.split()[0] for name in ALL} == set(PUBLIC)


@pytest.mark.parametrize("name", ALL)
def test_the_values_are_those_that_sympy_computes_exactly(name):
    schedule = ALL[name]
    exact = [float(schedule.expression.subs(ld.step, t).evalf(30)) for t in (1, 2, 3, 10, 11, 47)]
    assert [schedule(t) for t in (1, 2, 3, 10, 11, 47)] == pytest.approx(
        exact, rel=1e-13, abs=1e-15
    )


@pytest.mark.parametrize("name", ALL)
def test_a_learner_uses_the_values(name):
    schedule = ALL[name]
    fallen = falls(descending("numpy", lr=schedule), 4)
    assert fallen == pytest.approx(list(schedule.values(4)), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", ALL)
def test_a_schedule_can_be_copied_and_pickled(name):
    for again in (copy.deepcopy(ALL[name]), pickle.loads(pickle.dumps(ALL[name]))):
        assert again == ALL[name]
        assert again(7) == ALL[name](7)


@pytest.mark.parametrize("name", ALL)
def test_a_schedule_shows_its_expression(name):
    schedule = ALL[name]
    assert repr(schedule) == f"Schedule({schedule.expression})"
    assert schedule._repr_latex_() == f"$${schedule.latex()}$$"


def test_the_formula_separates_numbers_and_calls_the_step_t():
    latex = exponential(0.1, 0.5, decay_steps=10).latex()
    assert latex == r"0.1 \cdot {0.5}^{\frac{t}{10} - \frac{1}{10}}"


# Ends and stairs do not depend on rounding


# Of these 49 and what follows are numbers whose product with their rounded inverse is not 1.
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10, 1000, 49, 98, 103, 107, 161, 187, 196, 197])
def test_a_decay_ends_at_exactly_its_final_value(steps):
    ends = [linear(0.1, 0.0, steps), polynomial(0.1, 0.0, steps, 0.5), rex(0.1, steps)]
    ends += [cosine(0.1, steps), wsd(0.1, 0, 0, steps)]
    assert [end(steps + 1) for end in ends] == [0.0] * 5


@pytest.mark.parametrize("flat", [0, 1, 30])
def test_power_cool_is_the_curve_of_its_authors_and_a_polynomial(flat):
    c = 0.3 / (49 - flat) ** 1.2
    values = power_cool(0.3, 49, c).values(60)
    authors = [min(0.3, c * max(0.0, 49 - k) ** 1.2) for k in range(60)]
    np.testing.assert_allclose(values, authors, rtol=1e-13)
    same = polynomial(0.3, 0.0, 49 - flat, 1.2, begin=flat)
    np.testing.assert_allclose(values, same.values(60), rtol=1e-12)


def test_power_cool_falls_by_the_derivative_of_the_power():
    slope = sympy.diff(power_cool(0.3, 49, 3e-3, 2).expression, ld.step)
    assert float(slope.subs(ld.step, 46)) == pytest.approx(-2 * 3e-3 * 4)
    assert float(slope.subs(ld.step, 2)) == 0


@pytest.mark.parametrize("length", [3, 7, 10, 30, 49, 97])
def test_a_stair_begins_at_exactly_its_update(length):
    stairs = step_decay(1.0, 0.5, length).values(20 * length + 1)
    assert list(stairs) == [0.5 ** (k // length) for k in range(20 * length + 1)]


@pytest.mark.parametrize("length", [3, 7, 10, 30, 49, 97])
def test_a_stair_that_a_user_writes_does_so_too(length):
    stairs = ld.Schedule(ld.floor((ld.step - 1) / length))
    assert list(stairs.values(20 * length + 1)) == [k // length for k in range(20 * length + 1)]


@pytest.mark.parametrize("growth", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("length", [1, 3, 10, 49])
def test_a_restart_is_at_exactly_its_update(growth, length):
    schedule = cosine_restarts(1.0, length, period_growth=growth, restart_decay=0.5)
    start, period, height = 0, length, 1.0
    while start < 10**9 and height > 1e-9:
        assert schedule(start + 1) == height
        assert schedule(start + period) <= height
        start, period, height = start + period, period * growth, height / 2


# Arithmetic

RATE = cosine(0.4, 10)
OTHER = exponential(0.5, 0.9)

ARITHMETIC = {
    "sum": (RATE + OTHER, lambda a, b, t: a + b),
    "difference": (RATE - OTHER, lambda a, b, t: a - b),
    "product": (RATE * OTHER, lambda a, b, t: a * b),
    "quotient": (RATE / OTHER, lambda a, b, t: a / b),
    "power": (RATE**2, lambda a, b, t: a**2),
    "power of a number": (2**RATE, lambda a, b, t: 2**a),
    "power of a schedule": (OTHER**RATE, lambda a, b, t: b**a),
    "negative": (-RATE, lambda a, b, t: -a),
    "number": (1 - 0.1 * RATE + 3, lambda a, b, t: 4 - 0.1 * a),
    "number divided": (0.1 / OTHER / 2, lambda a, b, t: 0.05 / b),
    "float64": (np.float64(0.1) * OTHER - np.float64(1), lambda a, b, t: 0.1 * b - 1),
    "float32": (np.float32(0.1) * OTHER, lambda a, b, t: float(np.float32(0.1)) * b),
    "int64": (np.int64(3) + OTHER * np.int64(2), lambda a, b, t: 3 + 2 * b),
    "rational": (sympy.Rational(1, 3) * OTHER, lambda a, b, t: b / 3),
    "step": (OTHER * ld.step, lambda a, b, t: b * t),
    "step first": (ld.step - OTHER, lambda a, b, t: t - b),
    "step to the power": (ld.step**OTHER, lambda a, b, t: t**b),
    "expression first": ((ld.step + 1) / OTHER, lambda a, b, t: (t + 1) / b),
    "function": (ld.sqrt(OTHER) + RATE, lambda a, b, t: math.sqrt(b) + a),
    "smaller": (ld.Schedule(ld.minimum(RATE, OTHER)), lambda a, b, t: min(a, b)),
    "proportion": (
        0.01 + (RATE - 0.1) / (0.4 - 0.1) * 0.09,
        lambda a, b, t: 0.01 + (a - 0.1) / 0.3 * 0.09,
    ),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_schedules_are_calculated_with(name):
    result, function = ARITHMETIC[name]
    assert isinstance(result, ld.Schedule)
    expected = [function(RATE(t), OTHER(t), t) for t in range(1, 21)]
    assert list(result.values(20)) == pytest.approx(expected, rel=1e-12)


def test_the_result_is_a_hyperparameter(backend):
    schedule = 0.5 * linear(1.0, 0.0, 4) + 0.25
    assert falls(descending(backend, lr=schedule), 3) == [0.75, 0.625, 0.5]


def test_a_function_of_a_schedule_is_an_expression_for_a_hyperparameter(backend):
    learner = descending(backend, lr=ld.maximum(linear(1.0, 0.0, 4), 0.6))
    assert falls(learner, 3) == pytest.approx([1.0, 0.75, 0.6])


@pytest.mark.parametrize(
    "other",
    ["0.1", None, True, [1.0], np.ones(3), sympy.Function("f")],
    ids=repr,
)
def test_what_is_no_number_is_not_calculated_with(other):
    for calculate in (
        lambda: RATE + other,
        lambda: other * RATE,
        lambda: RATE**other,
        lambda: other / RATE,
    ):
        with pytest.raises(ld.OperandError, match="A schedule cannot be combined with") as caught:
            calculate()
        assert isinstance(caught.value, TypeError)


def test_another_symbol_is_not_calculated_with():
    with pytest.raises(ld.HyperparameterError, match=r"depends on x; only"):
        RATE * sympy.Symbol("x")


@pytest.mark.parametrize(
    "make",
    [lambda: RATE / 0, lambda: RATE + math.nan, lambda: 1 / (RATE - RATE)],
    ids=["divided", "nan", "divides"],
)
def test_a_schedule_without_a_value_is_refused(make):
    with pytest.raises(ld.HyperparameterError, match=r"has no value|not NaN"):
        make()


@pytest.mark.parametrize("wrong", [[], RATE, [RATE, 0.1]], ids=repr)
def test_a_product_is_of_schedules(wrong):
    with pytest.raises(ld.HyperparameterError, match="schedule"):
        product(wrong)


# Derivatives

SMOOTH = [
    n for n in ALL if n.split()[0] not in ("chebyshev", "held", "piecewise_constant", "step_decay")
]


@pytest.mark.parametrize("name", SMOOTH)
def test_the_derivative_is_the_slope(name):
    schedule = ALL[name]
    slope = schedule.derivative()
    # Between whole steps, as there are corners at some of these.
    at = np.array([1.3, 3.6, 6.4, 12.7, 21.2, 33.9, 47.5])
    step = 1e-6
    around = [(schedule(t + step) - schedule(t - step)) / (2 * step) for t in at]
    assert [slope(t) for t in at] == pytest.approx(around, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("name", ["held", "piecewise_constant", "step_decay"])
def test_a_staircase_has_no_slope(name):
    assert set(ALL[name].derivative().values(60)) == {0.0}


def test_what_jumps_at_each_step_has_no_derivative():
    with pytest.raises(ld.HyperparameterError, match="only at whole steps"):
        chebyshev(0.05, 1.0, 4).derivative()


def test_sympy_differentiates_a_schedule():
    assert sympy.diff(inverse_time(1, 1), ld.step) == -1 / ld.step**2


# Values and arguments


def test_values_are_an_array_of_float64():
    values = ALL["wsd"].values(30)
    assert values.dtype == np.float64
    assert list(values) == [ALL["wsd"](step) for step in range(1, 31)]
    assert constant(1).values(0).shape == (0,)


@pytest.mark.parametrize("updates", [-1, 1.5, None, "3", True], ids=repr)
def test_values_are_of_a_whole_number_of_updates(updates):
    with pytest.raises(
        ld.HyperparameterError, match="updates of a schedule must be a whole number"
    ):
        RATE.values(updates)


REFUSED = {
    "text": (lambda: cosine("0.1", 10), "initial of a schedule must be a number"),
    "schedule": (lambda: linear(RATE, 0.0, 10), "combine schedules by arithmetic"),
    "NaN": (lambda: constant(math.nan), "not NaN"),
    "begin": (lambda: linear(1.0, 0.0, 5, begin=-1), "whole number, 0 or more, got begin=-1"),
    "power": (lambda: polynomial(1.0, 0.0, 5, power=-1), "must not be negative, got power=-1"),
    "decay rate": (lambda: exponential(1.0, -0.5), "must be positive, got decay_rate=-0.5"),
    "infinite": (lambda: linear(1.0, 0.0, math.inf), "positive number of updates, got steps=inf"),
    "held": (lambda: held(0.1, steps=0), "whole number, 1 or more, got steps=0"),
    "boundary": (
        lambda: piecewise_constant([1, 2], [1.5]),
        "boundary of a schedule must be a whole",
    ),
    "values": (lambda: piecewise_interpolate([1, 2], [3, 4]), "2 boundaries separate 3 values"),
    "shape": (lambda: piecewise_interpolate([1, 2], [3], "1-sqrt"), "one of 'linear', 'cosine'"),
    "wsd": (lambda: wsd(1.0, 1, 1, 1, shape="exp"), "one of 'linear', 'cosine', '1-sqrt'"),
    "swa": (lambda: swa_annealing(1.0, 0.1, shape="1-square"), "got '1-square'"),
    "mode": (lambda: cyclic(0.1, 0.5, 5, mode="sine"), "mode of a schedule must be one of"),
    "mode's rate": (lambda: cyclic(0.1, 0.5, 5, decay_rate=0.9), "only with mode='exp_range'"),
    "growth": (lambda: cosine_restarts(1.0, 5, period_growth=0.5), "Periods cannot shrink"),
    "no decay": (lambda: exponential(1.0, 0), "decay_rate of a schedule must be positive"),
    "no stairs": (lambda: step_decay(1.0, 0.0, 5), "decay_rate of a schedule must be positive"),
    "product": (lambda: product(3), "schedules of a schedule must be a list, got 3"),
    "join": (lambda: join(RATE, [3]), "Give a list of one or more schedules"),
    "one boundary": (
        lambda: join([RATE, RATE], 3),
        "boundaries of a schedule must be a list, got 3",
    ),
    "one value": (
        lambda: piecewise_constant(0.1, []),
        "values of a schedule must be a list, got 0.1",
    ),
    "huge": (lambda: constant(10**400), "not NaN, got 1000"),
    "longest": (lambda: constant(10**5000), "not NaN, got one int"),
    "many steps": (lambda: held(0.1, steps=10**400), "whole number, 1 or more, got steps=1000"),
    "steps": (lambda: warmup(RATE, -1), "whole number, 0 or more, got steps=-1"),
    "period": (lambda: cosine_restarts(1.0, 2.5), "whole number, 1 or more, got steps=2.5"),
    "rise": (lambda: one_cycle(1.0, 50, rise=1.0), "fraction of the updates, between 0 and 1"),
    "short cycle": (lambda: one_cycle(1.0, 3), "phases end after"),
    "three phases": (lambda: one_cycle(1.0, 50, rise=0.6, three_phase=True), "phases end after"),
    "fall": (lambda: one_cycle_optax(1.0, 50, fall=0.2), "increasing boundaries"),
    "warm-up": (lambda: warmup_cosine(0.0, 1.0, 10, 10), "none are left to decay"),
    "order": (lambda: chebyshev(1.0, 0.5, 4), "smallest must be at most largest"),
    "power of two": (lambda: chebyshev(0.5, 1.0, 12), "write steps=16 or fractal=False"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_schedule_of_bad_arguments_says_what_to_write(name):
    make, message = REFUSED[name]
    with pytest.raises(ld.HyperparameterError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("steps", [10, 10.0, np.int64(10), np.float32(10)], ids=repr)
def test_a_number_of_updates_may_be_of_any_type(steps):
    assert linear(0.3, 0.0, steps) == linear(0.3, 0.0, 10)
    assert step_decay(0.3, 0.5, steps) == step_decay(0.3, 0.5, 10)


def test_a_value_of_numpy_is_as_exact_as_it_was():
    assert constant(np.float32(0.1))(1) == float(np.float32(0.1))
    assert constant(np.float64(0.1)) == constant(0.1)
    assert constant(math.inf)(1) == math.inf
