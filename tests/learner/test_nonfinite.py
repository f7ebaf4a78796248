"""Gradients that are not finite: they are skipped, refused, or computed with as NumPy would."""

import numpy as np
import pytest
from support.small_rules import BACKENDS, contents, gradients, momentum, train, trained

import learnerdsl as ld


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


NOT_FINITE = {"NaN": np.nan, "infinity": np.inf, "minus infinity": -np.inf}


def spoiled(learner, value, seed=7):
    """Random gradients, one value of the second of which is not finite."""
    drawn = gradients(learner, seed)
    drawn["b"][2] = value
    return drawn


@pytest.mark.parametrize("value", NOT_FINITE.values(), ids=NOT_FINITE)
def test_skip_leaves_everything_as_it_was_and_says_so(value, backend):
    learner = trained(backend, nonfinite="skip")
    before = contents(learner)
    assert learner.update(spoiled(learner, value), minibatch_size=9) is False
    assert contents(learner) == before


@pytest.mark.parametrize("value", NOT_FINITE.values(), ids=NOT_FINITE)
def test_raise_leaves_everything_as_it_was_and_names_the_gradient(value, backend):
    learner = trained(backend, nonfinite="raise")
    before = contents(learner)
    with pytest.raises(
        ld.NonFiniteError, match="Gradients of 'b' hold NaN or infinity; nothing was"
    ):
        learner.update(spoiled(learner, value), minibatch_size=9)
    assert contents(learner) == before


def test_raise_names_every_gradient_that_is_not_finite():
    learner = trained("cpu", nonfinite="raise")
    drawn = spoiled(learner, np.nan)
    drawn["w"][0, 0] = np.inf
    with pytest.raises(ld.NonFiniteError, match="Gradients of 'w', 'b' hold"):
        learner.update(drawn)


@pytest.mark.parametrize("nonfinite", ["skip", "raise"])
def test_training_goes_on_as_if_a_refused_update_had_never_been(nonfinite, backend):
    learner, expected = trained(backend, nonfinite=nonfinite), trained(backend)
    bad = spoiled(learner, np.nan)
    if nonfinite == "raise":
        with pytest.raises(ld.NonFiniteError):
            learner.update(bad)
    else:
        learner.update(bad)
    train(learner, range(2, 4))
    train(expected, range(2, 4))
    assert contents(learner) == contents(expected)


def test_gradients_that_are_finite_are_not_skipped(backend):
    learner, expected = trained(backend, nonfinite="skip"), trained(backend)
    largest = {n: np.full_like(a, np.finfo(a.dtype).max) for n, a in learner.parameters.items()}
    assert learner.update(largest) is True
    expected.update({name: array.copy() for name, array in largest.items()})
    assert contents(learner) == contents(expected)


@pytest.mark.parametrize("place", [0, 16383, 16384, 19999])
def test_a_single_nan_is_found_wherever_it_is(place):
    learner = momentum([np.zeros(3, np.float32), np.zeros(20000, np.float32)], nonfinite="skip")
    gradient = np.ones(20000, np.float32)
    gradient[place] = np.nan
    assert learner.update([np.ones(3, np.float32), gradient]) is False
    assert learner.step_count == 0


@pytest.mark.parametrize("value", NOT_FINITE.values(), ids=NOT_FINITE)
def test_propagate_computes_as_numpy_would(value, backend):
    p, g = np.arange(4, dtype=np.float32), np.array([1, value, 2, -1], np.float32)
    learner = momentum([p.copy()], backend=backend, lr=0.5, mu=0.5)
    assert learner.update([g]) is True
    v = np.float32(0.5) * p + g
    np.testing.assert_array_equal(learner.state[0]["v"], v)
    np.testing.assert_array_equal(learner.parameters[0], p - np.float32(0.5) * v)


def test_propagate_spreads_through_a_state_of_the_model(backend):
    learner = trained(backend)
    learner.update(spoiled(learner, np.nan))
    assert np.isnan(learner.model_state["energy"])
    assert np.isnan(learner.state["b"]["peak"])
    assert not np.isnan(learner.state["w"]["peak"])
    assert np.isnan(learner.parameters["w"]).all()
