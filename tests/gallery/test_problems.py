"""The problems of the gallery: gradients, noise and lowest losses."""

import numpy as np
import pytest

from learnerdsl.gallery import PROBLEMS

pytestmark = pytest.mark.parametrize("name", PROBLEMS)


def started(name, seed=3):
    """Return a problem, its parameters, and a generator."""
    problem, rng = PROBLEMS[name], np.random.default_rng(seed)
    return problem, problem.start(rng), rng


def difference(value, params, key, place, width=1e-6):
    """Return the central difference of a function of parameters."""
    ends = []
    for sign in (1, -1):
        moved = {name: array.copy() for name, array in params.items()}
        moved[key][place] += sign * width
        ends.append(value(moved))
    return (ends[0] - ends[1]) / (2 * width)


def test_gradients_are_derivatives_of_the_loss(name):
    problem, params, rng = started(name)
    sample = problem.sample(rng, 1)
    _, gradients = problem.gradient(params, sample)
    noise = sample if name == "noise" else None
    for key, gradient in gradients.items():
        assert gradient.shape == params[key].shape
        place = np.unravel_index(int(np.argmax(np.abs(gradient))), gradient.shape)
        slope = difference(lambda p: problem.gradient(p, sample)[0], params, key, place)
        found = gradient[place] - (noise[place] if noise is not None else 0)
        assert found == pytest.approx(slope, rel=1e-5, abs=1e-9)


def test_noise_of_gradients_has_the_slope_of_the_loss_as_its_mean(name):
    problem, params, rng = started(name)
    total = {key: np.zeros_like(array) for key, array in params.items()}
    count = 3000
    for _ in range(count):
        _, gradients = problem.gradient(params, problem.sample(rng, 1))
        for key, gradient in gradients.items():
            total[key] += gradient / count
    key = max(total, key=lambda k: np.abs(total[k]).max())
    place = np.unravel_index(int(np.argmax(np.abs(total[key]))), total[key].shape)
    slope = difference(lambda p: problem.loss(p, 1), params, key, place)
    assert total[key][place] == pytest.approx(slope, rel=0.2)


def test_no_loss_is_below_the_lowest(name):
    problem, params, _ = started(name)
    rng = np.random.default_rng(0)
    for scale in (0.1, 1, 3):
        near = {key: array + scale * rng.normal(size=array.shape) for key, array in params.items()}
        assert problem.loss(near, 1) >= problem.lowest


def test_a_run_from_the_same_seed_is_the_same(name):
    first, other = started(name, 7)[1], started(name, 7)[1]
    assert all(np.array_equal(first[key], other[key]) for key in first)
    assert any(not np.array_equal(first[key], value) for key, value in started(name, 8)[1].items())
