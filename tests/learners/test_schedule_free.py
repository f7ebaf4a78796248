"""What schedule-free learners have beside the battery: averages to evaluate a model with."""

import numpy as np
import pytest
from support.families import TRUSTED
from support.families.libraries import run_optax
from support.problems import assert_same_path, hyperparameters, problem, trajectory

from learnerdsl import learners

NAMES = sorted(name for name in learners.__all__ if name.startswith("schedule_free"))


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("name", NAMES)
def test_evaluation_parameters_are_those_of_the_mode_eval(name, backend):
    rng, start, gradients = problem(name, 1.0)
    hypers = hyperparameters(name, rng, weight_lr_power=2.0)
    averages = []
    TRUSTED[name](start, gradients, hypers, averages=averages)
    learner = getattr(learners, name)([p.copy() for p in start], backend=backend)
    shown = []
    for grads, hyper in zip(gradients, hypers, strict=True):
        for n, value in hyper.items():
            learner.hyperparameters[n] = value
        learner.update(grads)
        shown.append(list(learner.evaluation_parameters().values()))
    assert_same_path(1e-9, start, averages, shown)


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_parameters_are_the_start_before_the_first_update(name):
    _, start, _ = problem(name, 1.0)
    learner = getattr(learners, name)([p.copy() for p in start])
    for p, shown in zip(start, learner.evaluation_parameters().values(), strict=True):
        np.testing.assert_allclose(shown, p, rtol=1e-14)


def _optax_names(hyper):
    theirs = {"lr": "learning_rate", "beta": "b1", "beta1": "b1", "beta2": "b2"}
    return {theirs.get(n, n): v for n, v in hyper.items() if n not in ("warmup_steps", "r")}


@pytest.mark.parametrize("name", ["schedule_free_adamw", "schedule_free_sgd"])
def test_optax_is_the_same_without_warmup(name):
    rng, start, gradients = problem(name, 1.0)
    hypers = hyperparameters(name, rng, warmup_steps=0.0, r=0.0)
    expected = run_optax(name, _optax_names, start, gradients, hypers, module="optax.contrib")
    assert_same_path(1e-9, start, expected, trajectory(name, start, gradients, hypers))


def test_the_phase_before_rectification_may_be_plain_steps():
    weights = np.ones(3)
    learner = learners.schedule_free_radam([weights], lr=0.1, silent_sgd_phase=False)
    learner.update([np.full(3, 2.0)])
    np.testing.assert_allclose(weights, 0.8)
