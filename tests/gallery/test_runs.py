"""Runs of learners on the problems of the gallery."""

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.gallery import PROBLEMS, RATES, refusal, train, tune
from learnerdsl.learners import adahessian, cocob, muon, polyak_sgd, schedule_free_sgd, sgd

VALLEY = PROBLEMS["valley"]


def test_a_run_is_that_of_a_loop_by_hand():
    run = train(sgd, VALLEY, seed=2, lr=0.5)
    x = VALLEY.start(np.random.default_rng(2))["x"]
    losses = [VALLEY.loss({"x": x}, 1)]
    for k in range(1, VALLEY.steps + 1):
        x = x - 0.5 * VALLEY.gradient({"x": x}, None)[1]["x"]
        losses.append(VALLEY.loss({"x": x}, k))
    np.testing.assert_allclose(run.losses, losses, rtol=1e-9)
    assert run.score == pytest.approx(np.log10(np.mean(losses[-50:]) / losses[0]))


def test_a_run_that_diverges_has_the_worst_score():
    run = train(sgd, VALLEY, lr=30.0)
    assert np.isinf(run.losses[-1])
    assert run.score == 1.0


def test_a_learner_gets_the_other_inputs_that_it_needs():
    assert train(polyak_sgd, VALLEY).score < -1
    assert train(adahessian, VALLEY, lr=0.1).score < -1


def test_averaged_weights_are_judged():
    seen = []
    run = train(schedule_free_sgd, VALLEY, watch=lambda p: seen.append(p["x"].copy()), lr=0.5)
    assert len(seen) == VALLEY.steps + 1
    assert run.losses[-1] != pytest.approx(VALLEY.loss({"x": seen[-1]}, 1), rel=1e-3)


def test_what_cannot_be_run_is_refused_with_its_reason():
    assert "matrices" in refusal(muon, VALLEY)
    assert refusal(sgd, VALLEY) == ""

    @ld.rule
    def asks(p, g, lr=0.1):
        return ld.assign(p, p - lr * g * ld.extra("confidence", shape="model"))

    assert refusal(asks, VALLEY) == "it needs confidence"


def test_tuning_takes_the_rate_with_the_best_median():
    tuned = tune(sgd, VALLEY, rates=(1e-3, 1.0, 30.0), seeds=(0, 1, 2))
    assert tuned.rate == 1.0
    assert set(tuned.scores) == {1e-3, 1.0, 30.0}
    assert tuned.score == pytest.approx(sorted(tuned.scores[1.0])[1])
    curve = tuned.losses(11)
    assert curve[0] == pytest.approx(1)
    assert curve[-1] < 0.1


def test_a_rule_without_a_rate_runs_once():
    tuned = tune(cocob, VALLEY, seeds=(0,))
    assert tuned.rate is None
    assert list(tuned.scores) == [None]


def test_rates_are_two_for_each_factor_of_ten():
    assert RATES[0] == 3.16e-5
    np.testing.assert_allclose(np.divide(RATES[1:], RATES[:-1]), 10**0.5, rtol=2e-3)


def test_a_moving_minimum_is_judged_where_the_next_update_begins():
    drift = PROBLEMS["drift"]
    run = train(sgd, drift, lr=1.0)  # each update jumps to the minimum of its own gradient
    missed = [np.sin(2 * np.pi * k / 200 + np.linspace(0, np.pi, 10)) for k in (400, 401)]
    assert run.losses[400] == pytest.approx(0.5 * np.sum((missed[1] - missed[0]) ** 2))
