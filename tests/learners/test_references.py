"""The hand-written references against the libraries they follow, so that both can be trusted."""

import numpy as np
import pytest
from learners.problems import STEPS, hyperparameters, problem, trajectory
from learners.trusted import TRUSTED
from references import REFERENCES


def assert_same_path(start, expected, actual):
    """Agreement to 1e-9 of the movement of each tensor, beside the rounding of the parameter.

    Stricter than 1e-9 of the parameter, which would let a wrong rule pass at small gradients.
    """
    for step, (wanted, got) in enumerate(zip(expected, actual, strict=True), 1):
        for p, a, b in zip(start, wanted, got, strict=True):
            tolerance = 1e-9 * np.abs(a - p).max() + 4 * STEPS * np.spacing(np.abs(a).max())
            assert b.shape == p.shape
            assert b.dtype == np.float64
            difference = np.abs(a - b).max()
            assert difference <= tolerance, (step, p.shape, difference, tolerance)


@pytest.mark.parametrize("decay", [{}, {"weight_decay": 0.0}], ids=["decay", "no-decay"])
@pytest.mark.parametrize("gradient_size", [1.0, 1e-6])
@pytest.mark.parametrize("name", sorted(TRUSTED))
def test_reference_follows_the_library(name, gradient_size, decay):
    rng, params, gradients = problem(name, gradient_size)
    hypers = hyperparameters(name, rng, **decay)
    expected = TRUSTED[name](params, gradients, hypers)
    assert_same_path(params, expected, trajectory(name, params, gradients, hypers))


@pytest.mark.parametrize("name", sorted(TRUSTED))
def test_reference_follows_the_library_where_tensors_are_zero(name):
    rng, params, gradients = problem(name, 1.0, shapes=((4,), (2, 3), (5,)))
    params[0][:] = 0
    for grads in gradients:
        grads[1][:] = 0
        grads[2][::2] = 0
    hypers = hyperparameters(name, rng, weight_decay=0.0)
    expected = TRUSTED[name](params, gradients, hypers)
    actual = trajectory(name, params, gradients, hypers)
    assert np.isfinite(np.concatenate([p.ravel() for p in actual[-1]])).all()
    assert_same_path(params, expected, actual)


def test_adagrad_reference_starts_from_the_initial_accumulator():
    rng, params, gradients = problem("adagrad", 1.0)
    hypers = hyperparameters("adagrad", rng, initial_accumulator=0.3)
    expected = TRUSTED["adagrad"](params, gradients, hypers)
    assert_same_path(params, expected, trajectory("adagrad", params, gradients, hypers))


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_every_reference_is_checked_against_a_library(name):
    assert name in TRUSTED


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_reference_leaves_the_gradients_alone_and_keeps_its_state(name):
    rng, params, gradients = problem(name, 1.0)
    grads, before = gradients[0], [g.copy() for g in gradients[0]]
    arrays, state = list(params), {}
    for t, hyper in enumerate(hyperparameters(name, rng)[:3], 1):
        REFERENCES[name](params, grads, state, t, **hyper)
    assert all(a is b for a, b in zip(arrays, params, strict=True))
    assert all((a == b).all() for a, b in zip(before, grads, strict=True))
    for values in state.values():
        assert [np.shape(value) for value in values] == [p.shape for p in params]
