"""Schedules against those of optax, in float64 as far as optax computes in it."""

import numpy as np
import pytest

from learnerdsl.schedules import (
    constant,
    cosine,
    cosine_restarts,
    exponential,
    inverse_sqrt,
    join,
    linear,
    noam,
    one_cycle_optax,
    piecewise_constant,
    piecewise_interpolate,
    polynomial,
    warmup,
    warmup_constant,
    warmup_cosine,
    warmup_exponential,
)

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

STEPS = 70

CASES = {
    "constant": (constant(0.3), lambda: optax.constant_schedule(0.3)),
    "linear": (linear(0.3, 0.01, 49), lambda: optax.linear_schedule(0.3, 0.01, 49)),
    "linear, later": (
        linear(0.0, 0.3, 33, begin=7),
        lambda: optax.linear_schedule(0.0, 0.3, 33, transition_begin=7),
    ),
    "polynomial": (
        polynomial(0.3, 0.01, 49, 2.5),
        lambda: optax.polynomial_schedule(0.3, 0.01, 2.5, 49),
    ),
    "polynomial, later": (
        polynomial(0.3, 0.01, 49, 0.5, begin=9),
        lambda: optax.polynomial_schedule(0.3, 0.01, 0.5, 49, transition_begin=9),
    ),
    "exponential": (exponential(0.3, 0.8, 7), lambda: optax.exponential_decay(0.3, 7, 0.8)),
    "exponential, later, to an end": (
        exponential(0.3, 0.8, 7, begin=5, final=0.1),
        lambda: optax.exponential_decay(0.3, 7, 0.8, transition_begin=5, end_value=0.1),
    ),
    "exponential growth to an end": (
        exponential(0.3, 1.2, 7, final=0.9),
        lambda: optax.exponential_decay(0.3, 7, 1.2, end_value=0.9),
    ),
    "exponential staircase": (
        exponential(0.3, 0.8, 7, begin=3, staircase=True),
        lambda: optax.exponential_decay(0.3, 7, 0.8, transition_begin=3, staircase=True),
    ),
    "cosine": (cosine(0.3, 49), lambda: optax.cosine_decay_schedule(0.3, 49)),
    "cosine with an exponent": (
        cosine(0.3, 49, final=0.03, power=1.5),
        lambda: optax.cosine_decay_schedule(0.3, 49, alpha=0.1, exponent=1.5),
    ),
    "piecewise constant": (
        piecewise_constant([0.3, 0.03, 0.06], [7, 31]),
        lambda: optax.piecewise_constant_schedule(0.3, {7: 0.1, 31: 2.0}),
    ),
    "piecewise linear": (
        piecewise_interpolate([0.3, 0.15, 0.45, 0.0], [7, 31, 60]),
        lambda: optax.piecewise_interpolate_schedule("linear", 0.3, {7: 0.5, 31: 3.0, 60: 0.0}),
    ),
    "piecewise cosine": (
        piecewise_interpolate([0.3, 0.15, 0.45, 0.0], [7, 31, 60], "cosine"),
        lambda: optax.piecewise_interpolate_schedule("cosine", 0.3, {7: 0.5, 31: 3.0, 60: 0.0}),
    ),
    "warmup, constant": (
        warmup_constant(0.01, 0.3, 20),
        lambda: optax.warmup_constant_schedule(0.01, 0.3, 20),
    ),
    "warmup, cosine": (
        warmup_cosine(0.01, 0.3, 20, 60, final=0.03, power=2),
        lambda: optax.warmup_cosine_decay_schedule(0.01, 0.3, 20, 60, 0.03, 2.0),
    ),
    "warmup, exponential": (
        warmup_exponential(0.01, 0.3, 20, 0.8, 7, begin=4, staircase=True, final=0.1),
        lambda: optax.warmup_exponential_decay_schedule(0.01, 0.3, 20, 7, 0.8, 4, True, 0.1),
    ),
    "one cycle, cosine": (
        one_cycle_optax(2.0, 61),
        lambda: optax.cosine_onecycle_schedule(61, 2.0),
    ),
    "one cycle, linear": (
        one_cycle_optax(2.0, 61, shape="linear", fall=0.85),
        lambda: optax.linear_onecycle_schedule(61, 2.0),
    ),
    "one cycle, linear, other parts": (
        one_cycle_optax(2.0, 60, 0.5, 0.05, rise=0.4, fall=0.7, shape="linear"),
        lambda: optax.linear_onecycle_schedule(60, 2.0, 0.4, 0.7, 4.0, 10.0),
    ),
    "SGDR": (
        join([warmup_cosine(0.0, 0.3, 5, 20), warmup_cosine(0.1, 0.2, 4, 40)], [20]),
        lambda: optax.sgdr_schedule(
            [
                {"init_value": 0.0, "peak_value": 0.3, "warmup_steps": 5, "decay_steps": 20},
                {"init_value": 0.1, "peak_value": 0.2, "warmup_steps": 4, "decay_steps": 40},
            ]
        ),
    ),
    "join": (
        join([constant(0.7), exponential(1.0, 0.9), linear(0.5, 0.0, 20)], [13, 37]),
        lambda: optax.join_schedules(
            [
                optax.constant_schedule(0.7),
                optax.exponential_decay(1.0, 1, 0.9),
                optax.linear_schedule(0.5, 0.0, 20),
            ],
            [13, 37],
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_schedule_has_the_values_of_optax(name):
    ours, make = CASES[name]
    with jax.enable_x64(True):
        schedule = make()
        theirs = [float(schedule(jax.numpy.asarray(count))) for count in range(STEPS)]
    # What is almost 0 has the rounding of the values before it.
    assert list(ours.values(STEPS)) == pytest.approx(theirs, rel=1e-12, abs=1e-15)


# Formulas that neither torch nor optax has


def keras_restarts(count, initial, first, t_mul, m_mul, alpha):
    """keras.optimizers.schedules.CosineDecayRestarts, with loops for its logarithm."""
    period, height, start = float(first), 1.0, 0.0
    while count >= start + period:
        start, period, height = start + period, period * t_mul, height * m_mul
    decayed = 0.5 * height * (1 + np.cos(np.pi * (count - start) / period))
    return initial * ((1 - alpha) * decayed + alpha)


@pytest.mark.parametrize("t_mul", [1, 2, 3, 1.5, 2.5])
@pytest.mark.parametrize("m_mul", [1.0, 0.8])
def test_restarts_are_those_of_keras(t_mul, m_mul):
    from_keras = [keras_restarts(count, 0.3, 7, t_mul, m_mul, 0.1) for count in range(300)]
    ours = cosine_restarts(0.3, 7, final=0.03, period_growth=t_mul, restart_decay=m_mul)
    assert list(ours.values(300)) == pytest.approx(from_keras, rel=1e-12)


def test_noam_is_the_formula_of_the_paper():
    steps = np.arange(1, 201)
    paper = 512**-0.5 * np.minimum(steps**-0.5, steps * 40**-1.5)
    assert noam(512, 40).values(200) == pytest.approx(paper, rel=1e-14)


def test_the_inverse_square_root_is_that_of_fairseq():
    done = np.arange(200)
    fairseq = np.where(
        done < 40, 0.01 + done * (0.3 - 0.01) / 40, 0.3 * 40**0.5 * np.maximum(done, 1) ** -0.5
    )
    assert inverse_sqrt(0.3, 40, initial=0.01).values(200) == pytest.approx(fairseq, rel=1e-14)


def test_a_warm_up_has_its_first_value_once():
    assert list(warmup(constant(1.0), 4).values(3)) == [0.0, 0.25, 0.5]
