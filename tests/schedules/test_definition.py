"""Schedules: what the package's own compute, and how one that fails or cannot be is refused."""

import math

import numpy as np
import pytest
import sympy
from support.mistakes import DONOR
from support.small_rules import (
    BACKENDS,
    contents,
    descending,
    every_state,
    falls,
    parameters,
    train,
)

import learnerdsl as ld
from learnerdsl.schedules import (
    constant,
    cosine,
    cosine_restarts,
    exponential,
    inverse_time,
    join,
    linear,
    piecewise_constant,
    polynomial,
    updates_done,
    warmup,
    wsd,
)


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


# The schedules of the package against closed formulas, k being the number of updates done

STEPS = (1, 2, 3, 5, 8, 13, 40)

FORMULAS = {
    "constant": (constant(0.3), lambda k: 0.3),
    "exponential": (exponential(0.5, 0.9), lambda k: 0.5 * 0.9**k),
    "exponential slowly": (exponential(0.5, 0.9, 4), lambda k: 0.5 * 0.9 ** (k / 4)),
    "inverse time": (inverse_time(0.5, 2.0), lambda k: 0.5 / (1 + 2 * k)),
    "inverse time slowly": (inverse_time(0.5, 2.0, 4), lambda k: 0.5 / (1 + k / 2)),
    "linear": (linear(1.0, 0.2, 8), lambda k: 1 - 0.8 * min(k, 8) / 8),
    "linear upwards": (linear(0.0, 2.0, 5), lambda k: 2 * min(k, 5) / 5),
    "polynomial": (polynomial(1.0, 0.2, 8, 3), lambda k: 0.2 + 0.8 * (1 - min(k, 8) / 8) ** 3),
    "root": (polynomial(1.0, 0.0, 8, 0.5), lambda k: math.sqrt(1 - min(k, 8) / 8)),
    "cosine": (cosine(0.4, 10), lambda k: 0.2 * (1 + math.cos(math.pi * min(k, 10) / 10))),
    "cosine to a rest": (
        cosine(0.4, 10, final=0.1),
        lambda k: 0.1 + 0.15 * (1 + math.cos(math.pi * min(k, 10) / 10)),
    ),
    "piecewise constant": (
        piecewise_constant([0.4, 0.2, 0.1], [2, 7]),
        lambda k: 0.4 if k < 2 else 0.2 if k < 7 else 0.1,
    ),
    "warmup": (
        warmup(exponential(0.5, 0.9), 4),
        lambda k: 0.5 * k / 4 if k < 4 else 0.5 * 0.9 ** (k - 4),
    ),
    "warmup from a value": (
        warmup(constant(1.0), 5, initial=0.5),
        lambda k: 0.5 + 0.5 * min(k, 5) / 5,
    ),
    "join": (
        join([constant(0.7), exponential(1.0, 0.5), linear(0.5, 0.0, 4)], [3, 6]),
        lambda k: 0.7 if k < 3 else 0.5 ** (k - 3) if k < 6 else 0.5 - 0.5 * min(k - 6, 4) / 4,
    ),
    "join from the very start": (
        join([constant(0.7), exponential(1.0, 0.5)], [3], relative=False),
        lambda k: 0.7 if k < 3 else 0.5**k,
    ),
    "an expression": (ld.Schedule(0.1 / ld.sqrt(ld.step)), lambda k: 0.1 / math.sqrt(k + 1)),
    "arithmetic": (
        ld.Schedule(linear(1.0, 0.0, 8).expression * 2 + updates_done),
        lambda k: 2 * (1 - min(k, 8) / 8) + k,
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_schedule_follows_its_formula(name):
    schedule, formula = FORMULAS[name]
    expected = [formula(step - 1) for step in STEPS]
    assert [schedule(step) for step in STEPS] == pytest.approx(expected, rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_schedule_is_an_expression_of_the_step(name):
    schedule, _ = FORMULAS[name]
    assert schedule.expression.free_symbols <= {ld.step}
    assert float(schedule.expression.subs(ld.step, 5)) == pytest.approx(schedule(5), rel=1e-14)


def test_schedules_with_equal_expressions_are_equal():
    assert linear(1.0, 0.0, 4) == polynomial(1.0, 0.0, 4)
    assert hash(linear(1.0, 0.0, 4)) == hash(polynomial(1.0, 0.0, 4))


def test_a_schedule_gives_a_learner_the_same_numbers_as_it_gives_when_called():
    schedule = cosine(1.0, steps=4)
    expected = [schedule(step) for step in (1, 2, 3, 4, 5)]
    assert falls(descending(lr=schedule), 5) == pytest.approx(expected, rel=1e-14, abs=1e-15)


def test_a_schedule_can_be_shown_as_mathematics():
    assert constant(0.5)._repr_latex_() == "$$0.5$$"


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda steps: exponential(1.0, 0.5, steps), "decay_steps"),
        (lambda steps: inverse_time(1.0, 0.5, steps), "decay_steps"),
        (lambda steps: polynomial(1.0, 0.0, steps), "steps"),
        (lambda steps: linear(1.0, 0.0, steps), "steps"),
        (lambda steps: cosine(1.0, steps), "steps"),
    ],
    ids=["exponential", "inverse_time", "polynomial", "linear", "cosine"],
)
@pytest.mark.parametrize("steps", [0, -1, math.nan, "4", None, 10**400])
def test_a_schedule_lasts_a_positive_number_of_updates(make, name, steps):
    with pytest.raises(ld.HyperparameterError, match=f"positive number of updates, got {name}="):
        make(steps)


@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.2, 0.3]], ids=len)
def test_one_boundary_separates_two_values(values):
    with pytest.raises(ld.HyperparameterError, match="1 boundaries separate 2 values, but"):
        piecewise_constant(values, [3])


@pytest.mark.parametrize("boundaries", [[5, 2], [3, 3]], ids=["falling", "equal"])
def test_boundaries_increase(boundaries):
    with pytest.raises(
        ld.HyperparameterError, match="3 schedules need 2 increasing boundaries, got"
    ):
        piecewise_constant([0.1, 0.2, 0.3], boundaries)


def test_schedules_are_joined_by_one_boundary_less():
    with pytest.raises(ld.HyperparameterError, match="2 schedules need 1 increasing boundaries"):
        join([constant(0.1), constant(0.2)], [])


@pytest.mark.parametrize("value", [None, "0.1", True], ids=repr)
def test_a_constant_schedule_needs_a_number(value):
    with pytest.raises(ld.HyperparameterError, match="must be a number that is not NaN, got"):
        constant(value)


@pytest.mark.parametrize(
    "make", [warmup, lambda rate, steps: join([rate, rate], [steps])], ids=["warmup", "join"]
)
@pytest.mark.parametrize("rate", [0.1, lambda step: 0.1], ids=["number", "function"])
def test_what_is_no_schedule_cannot_be_joined(make, rate):
    with pytest.raises(ld.HyperparameterError, match="schedule"):
        make(rate, 4)


# Schedules as expressions


@pytest.mark.parametrize(
    "symbol", [sympy.Symbol("x"), DONOR.gradient, ld.samples], ids=["plain", "gradient", "samples"]
)
def test_a_schedule_of_other_symbols_than_the_step_is_refused(symbol):
    with pytest.raises(ld.HyperparameterError) as caught:
        ld.Schedule(symbol * ld.step)
    assert f"depends on {symbol}; only learnerdsl.step may appear in it" in str(caught.value)


@pytest.mark.parametrize(
    "value", ["step", None, lambda step: 0.1], ids=["text", "None", "function"]
)
def test_a_schedule_of_what_is_no_expression_is_refused(value):
    with pytest.raises(ld.LearnerError, match="expression"):
        ld.Schedule(value)


EXPRESSIONS = {
    "conditions": ld.where((ld.step > 3) & (ld.step < 7) | ~(ld.step > 10), ld.step / 3, 2),
    "every fourth": ld.where(ld.equal(ld.step % 4, 0), 1.5, 0.1),
    "clipped": ld.clip(ld.step / 3 - 1, 0, 2),
    "negative": -((ld.step / 3 + sympy.Rational(1, 2)) ** 3) / 7,
    "quotients": 2 / (ld.step / 3 + 1) ** 2 - 3 / (7 * ld.step),
    "products": (ld.step / 2 - sympy.Rational(1, 3)) * (ld.step / 5 + 1) / 3,
    "powers": sympy.Rational(2, 3) ** ld.step + ld.step ** sympy.Rational(-2, 3),
    "remainders": ld.step % 3 / 5 + (-ld.step / 2) % 3,
    "floats": 0.1 * ld.step - sympy.Rational(1, 10),
    "exp": ld.exp(-ld.step / 3) / 7,
    "tanh": ld.tanh(ld.step / 7 - 1) * ld.sign(ld.step / 7 - 1),
    "ceil": ld.ceil(ld.step / 7 - sympy.Rational(1, 3)) - ld.abs(ld.log(ld.step / 7)),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_has_the_values_that_sympy_computes_exactly(name):
    exact = [float(EXPRESSIONS[name].subs(ld.step, step).evalf(30)) for step in range(1, 31)]
    assert list(ld.Schedule(EXPRESSIONS[name]).values(30)) == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize(
    "schedule",
    [cosine(0.1, 5), wsd(0.1, 2, 1, 3), cosine_restarts(0.1, 3), warmup(constant(0.1), 3)],
    ids=["cosine", "wsd", "restarts", "warmup"],
)
def test_the_expression_of_a_schedule_may_be_part_of_a_rule(schedule, backend):
    @ld.rule
    def scheduled(p, g):
        return ld.assign(p, p - schedule.expression * g)

    fallen = falls(scheduled([np.zeros(1)], backend=backend), 8)
    assert fallen == pytest.approx(list(schedule.values(8)), rel=1e-12, abs=1e-15)


def test_a_schedule_in_a_rule_is_refused_with_what_to_write():
    @ld.rule
    def scheduled(p, g):
        return ld.assign(p, p - cosine(0.1, 5) * g)

    with pytest.raises(ld.HyperparameterError, match=r"within a rule write schedule\.expression"):
        scheduled([np.zeros(1)])


# Schedules that fail


@pytest.mark.parametrize(
    ("returned", "written"),
    [(math.nan, "nan"), ("0.1", "'0.1'"), (None, "None"), (1j, "1j"), (np.array([1.0]), "array")],
    ids=["NaN", "text", "None", "complex", "array"],
)
def test_a_schedule_that_returns_no_number_is_refused_with_the_step(returned, written, backend):
    learner = descending(backend, lr=lambda step: returned if step == 2 else 0.5)
    learner.update([np.ones(1)])
    with pytest.raises(ld.HyperparameterError) as caught:
        learner.update([np.ones(1)])
    assert f"The schedule of 'lr' returned {written}" in str(caught.value)
    assert "at step 2; a schedule must return a number that is not NaN" in str(caught.value)


def failing_at(step, how):
    """A schedule that fails at one step."""

    def schedule(now):
        if now != step:
            return now / 10
        if how == "raises":
            msg = "no rate today"
            raise RuntimeError(msg)
        return {"NaN": math.nan, "text": "0.1"}[how]

    return schedule


@pytest.mark.parametrize("name", ["lr", "keep"])
@pytest.mark.parametrize("how", ["NaN", "text", "raises"])
def test_a_schedule_that_fails_changes_nothing(how, name, backend):
    settings = {"lr": lambda step: step / 20, "keep": lambda step: 0.5 + step / 20}
    learner = every_state(
        parameters("dict"), backend=backend, **{**settings, name: failing_at(3, how)}
    )
    train(learner, [0, 1])
    before = contents(learner)
    with pytest.raises((ld.HyperparameterError, RuntimeError)):
        train(learner, [2])
    assert contents(learner) == before


@pytest.mark.parametrize("how", ["NaN", "text", "raises"])
def test_training_goes_on_after_a_schedule_that_failed(how, backend):
    learner = every_state(parameters("dict"), backend=backend, lr=failing_at(3, how))
    expected = every_state(parameters("dict"), backend=backend, lr=lambda step: step / 10)
    train(learner, [0, 1])
    train(expected, [0, 1, 2, 3])
    with pytest.raises((ld.HyperparameterError, RuntimeError)):
        train(learner, [2])
    learner.hyperparameters["lr"] = lambda step: step / 10
    train(learner, [2, 3])
    assert contents(learner)[:4] == contents(expected)[:4]


def test_the_error_of_a_users_schedule_comes_through():
    learner = descending(lr=failing_at(2, "raises"))
    learner.update([np.ones(1)])
    with pytest.raises(RuntimeError, match="no rate today"):
        learner.update([np.ones(1)])


def test_an_expression_without_a_value_at_a_step_is_refused_with_the_step():
    learner = descending(lr=1 / (ld.step - 2))
    learner.update([np.ones(1)])
    with pytest.raises(ld.HyperparameterError, match=r"'lr'.*at step 2"):
        learner.update([np.ones(1)])


def test_a_schedule_that_fails_at_the_first_step_is_refused_at_construction():
    with pytest.raises(ld.HyperparameterError, match="returned nan at step 1"):
        descending(lr=lambda step: math.nan)
