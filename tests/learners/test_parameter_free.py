"""Learners that estimate their learning rate, from the smallest start until the estimate is good.

The battery's random gradients leave nothing to estimate, so these fall on a quadratic instead; the
library then sees the gradients that were seen here.
"""

import numpy as np
import pytest
from support.families import TRUSTED
from support.problems import assert_same_path, hyperparameters, trajectory

from learnerdsl import learners

NAMES = sorted(name for name in learners.__all__ if name.startswith(("dadapt", "prodigy")))
STEPS = 120
DEFAULTS = {"d0": 1e-6, "d_coef": 1.0, "growth_rate": float("inf"), "weight_decay": 1e-3}


def fall(name, options=None, **fixed):
    """Start, gradients, hyperparameters and path of a learner on a quadratic, and the learner."""
    rng = np.random.default_rng(8)
    shapes = ((4, 3), (5,))
    target = [rng.standard_normal(shape) for shape in shapes]
    start = [rng.standard_normal(shape) for shape in shapes]
    fixed = {"lr": 1.0, "beta1": 0.9, "beta2": 0.98, "eps": 1e-8, **DEFAULTS, **fixed}
    hypers = hyperparameters(name, rng, shapes, STEPS, **fixed)
    params = [p.copy() for p in start]
    learner = getattr(learners, name)(params, **hypers[0], **(options or {}))
    gradients, path = [], []
    for hyper in hypers:
        for n, value in hyper.items():
            learner.hyperparameters[n] = value
        gradients.append([p - to for p, to in zip(params, target, strict=True)])
        learner.update([g.copy() for g in gradients[-1]])
        path.append([p.copy() for p in params])
    return start, gradients, hypers, path, learner


@pytest.mark.parametrize("fixed", [{}, {"growth_rate": 1.2}], ids=["free", "limited"])
@pytest.mark.parametrize("name", NAMES)
def test_estimate_grows_as_that_of_the_library(name, fixed):
    start, gradients, hypers, path, learner = fall(name, **fixed)
    assert learner.model_state["d"] > 1e-3
    assert_same_path(1e-9, start, trajectory(name, start, gradients, hypers), path)
    assert_same_path(1e-9, start, TRUSTED[name](start, gradients, hypers), path)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_happens_while_all_gradients_are_zero(name):
    weights = np.ones(3)
    learner = getattr(learners, name)([weights], weight_decay=0.0)
    for _ in range(2):
        learner.update([np.zeros(3)])
    assert (weights == 1).all()
    assert learner.model_state["d"] == 1e-6
    learner.update([np.ones(3)])
    assert np.isfinite(weights).all()
    assert (weights < 1).all()


@pytest.mark.parametrize("fixed", [{}, {"growth_rate": 1.2}], ids=["free", "limited"])
@pytest.mark.parametrize("name", ["prodigy", "prodigy_official"])
def test_options_of_prodigy_are_those_of_the_library(name, fixed):
    ours, theirs = {"safeguard_warmup": True}, {"safeguard_warmup": True}
    if name == "prodigy_official":
        ours["bias_correction"] = theirs["use_bias_correction"] = True
    start, gradients, hypers, path, _ = fall(name, ours, lr=0.5, **fixed)
    expected = TRUSTED[name](start, gradients, hypers, **theirs)
    assert_same_path(1e-9, start, expected, path)
