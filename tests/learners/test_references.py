"""The hand-written references against the libraries they follow, so that both can be trusted."""

import numpy as np
import pytest
from support.families import NO_ZEROS, TOLERANCES, TRUSTED, UNTRUSTED
from support.problems import assert_same_path, hyperparameters, problem, trajectory
from support.references import REFERENCES
from support.tiers import few


def tolerance(name):
    """The error allowed between a reference and its library, in parts of the step."""
    return TOLERANCES.get(name, (1e-9, ""))[0]


@pytest.mark.parametrize("decay", [{}, {"weight_decay": 0.0}], ids=["decay", "no-decay"])
@pytest.mark.parametrize("gradient_size", [1.0, 1e-6])
@pytest.mark.parametrize("name", few(sorted(TRUSTED)))
def test_reference_follows_the_library(name, gradient_size, decay):
    rng, params, gradients = problem(name, gradient_size)
    hypers = hyperparameters(name, rng, **decay)
    expected = TRUSTED[name](params, gradients, hypers)
    assert_same_path(tolerance(name), params, expected, trajectory(name, params, gradients, hypers))


@pytest.mark.parametrize("name", few(sorted(TRUSTED.keys() - NO_ZEROS)))
def test_reference_follows_the_library_where_tensors_are_zero(name):
    rng, params, gradients = problem(name, 1.0, shapes=((4,), (2, 3), (5,)))
    params[0][:] = 0
    for grads in gradients:
        grads[1][:] = 0
        grads[2][::2] = 0
    hypers = hyperparameters(name, rng, shapes=((4,), (2, 3), (5,)), weight_decay=0.0)
    expected = TRUSTED[name](params, gradients, hypers)
    actual = trajectory(name, params, gradients, hypers)
    assert np.isfinite(np.concatenate([p.ravel() for p in actual[-1]])).all()
    assert_same_path(tolerance(name), params, expected, actual)


def test_adagrad_reference_starts_from_the_initial_accumulator():
    rng, params, gradients = problem("adagrad", 1.0)
    hypers = hyperparameters("adagrad", rng, initial_accumulator=0.3)
    expected = TRUSTED["adagrad"](params, gradients, hypers)
    actual = trajectory("adagrad", params, gradients, hypers)
    assert_same_path(1e-9, params, expected, actual)


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_every_reference_is_checked_against_a_library_or_says_why_none_can(name):
    assert (name in TRUSTED) != (len(UNTRUSTED.get(name, "")) > 20)


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_reference_leaves_the_gradients_alone_and_keeps_its_state(name):
    rng, params, gradients = problem(name, 1.0)
    grads, before = gradients[0], [g.copy() for g in gradients[0]]
    arrays, state = list(params), {}
    for t, hyper in enumerate(hyperparameters(name, rng)[:3], 1):
        REFERENCES[name](params, grads, state, t, **hyper)
    assert all(a is b for a, b in zip(arrays, params, strict=True))
    assert all((a == b).all() for a, b in zip(before, grads, strict=True))
    assert all(np.isfinite(p).all() for p in params)
