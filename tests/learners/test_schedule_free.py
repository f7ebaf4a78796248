"""What learners that average inside have beside the battery: averages to evaluate a model with."""

import numpy as np
import pytest
from support.families.libraries import run_optax
from support.families.schedule_free import TRUSTED as OF_THEIR_PACKAGE
from support.problems import assert_same_path, hyperparameters, problem, trajectory
from support.references import REFERENCES

from learnerdsl import learners

OTHERS = ("gpa_adamw", "schedule_free_plus")


def shown_averages(name, start, gradients, hypers, backend):
    """The evaluation parameters after each update of the learner."""
    learner = getattr(learners, name)([p.copy() for p in start], backend=backend)
    shown = []
    for grads, hyper in zip(gradients, hypers, strict=True):
        extras = {n: hyper[n] for n in learner.extras}
        for n in hyper.keys() - extras:
            learner.hyperparameters[n] = hyper[n]
        learner.update(grads, **extras)
        shown.append(list(learner.evaluation_parameters().values()))
    return shown


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("name", sorted(OF_THEIR_PACKAGE))
def test_evaluation_parameters_are_those_of_the_mode_eval(name, backend):
    rng, start, gradients = problem(name, 1.0)
    hypers = hyperparameters(name, rng, weight_lr_power=2.0)
    averages = []
    OF_THEIR_PACKAGE[name](start, gradients, hypers, averages=averages)
    shown = shown_averages(name, start, gradients, hypers, backend)
    assert_same_path(1e-9, start, averages, shown)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_evaluation_parameters_of_schedule_free_plus_are_x_of_its_reference(backend):
    name = "schedule_free_plus"
    rng, start, gradients = problem(name, 1.0)
    hypers = hyperparameters(name, rng)  # sf_beta differs from step to step, as it may
    params, state, averages = [p.copy() for p in start], {}, []
    for t, (grads, hyper) in enumerate(zip(gradients, hypers, strict=True), 1):
        REFERENCES[name](params, grads, state, t, **hyper)
        averages.append([x.copy() for x in state["x"]])
    assert_same_path(1e-9, start, averages, shown_averages(name, start, gradients, hypers, backend))


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_evaluation_parameters_of_gpa_adamw_are_a_mean_of_the_weights_of_adamw(backend):
    rng, start, gradients = problem("gpa_adamw", 1.0)
    hypers = hyperparameters("gpa_adamw", rng, weight_decay=0.0)
    adamw = [{n: h[n] for n in ("lr", "beta1", "beta2", "eps", "weight_decay")} for h in hypers]
    averages, x = [], start
    for hyper, z in zip(hypers, trajectory("adamw", start, gradients, adamw), strict=True):
        share = hyper["mu_x"]
        x = [share * a + (1 - share) * b for a, b in zip(x, z, strict=True)]
        averages.append(x)
    shown = shown_averages("gpa_adamw", start, gradients, hypers, backend)
    assert_same_path(1e-9, start, averages, shown)


@pytest.mark.parametrize("name", sorted({*OF_THEIR_PACKAGE, *OTHERS}))
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
