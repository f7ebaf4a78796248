"""Transforms at the edges of their hyperparameters: limits of 0 and below, no gradients, counts."""

import math

import numpy as np
import pytest
from support.chains import chain_of, extras_of

import learnerdsl as ld
from learnerdsl import transforms

BACKENDS = ["cpu", "numpy"]

GRADIENT_LIMITS = {
    "adaptive_clip": "clip_factor",
    "clip_by_block_rms": "threshold",
    "clip_by_global_norm": "max_norm",
    "clip_by_norm": "max_norm",
    "clip_by_value": "max_value",
    "clip_grad_norm": "max_norm",
    "normalize_by_global_norm": "norm_scale",
}
WEIGHT_LIMITS = {"project_l2_ball": "radius", "project_max_norm": "largest_norm"}
LIMITS = GRADIENT_LIMITS | WEIGHT_LIMITS


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def after_one_update(name, backend, start, gradient, **settings):
    params = [start.copy()]
    chain_of(name, "sgd")(params, backend=backend, lr=0.5, **settings).update([gradient])
    return params[0]


@pytest.mark.parametrize("name", GRADIENT_LIMITS)
@pytest.mark.parametrize("limit", [0.0, -1.0, -math.inf])
def test_no_limit_turns_a_gradient_round(name, limit, backend):
    start = np.array([[1.0, -2.0], [0.5, 0.0]])
    for gradient in (np.array([[3.0, -4.0], [0.0, 1e-9]]), np.zeros((2, 2))):
        moved = after_one_update(name, backend, start, gradient, **{GRADIENT_LIMITS[name]: limit})
        np.testing.assert_array_equal(moved, start)


@pytest.mark.parametrize("name", WEIGHT_LIMITS)
@pytest.mark.parametrize("limit", [0.0, -1.0, -math.inf])
def test_weights_within_no_radius_are_zero(name, limit, backend):
    for start in (np.array([[1.0, -2.0], [0.0, 0.0]]), np.zeros((2, 2))):
        gradient = np.zeros((2, 2))
        moved = after_one_update(name, backend, start, gradient, **{WEIGHT_LIMITS[name]: limit})
        np.testing.assert_array_equal(moved, np.zeros((2, 2)))


@pytest.mark.parametrize("name", sorted(set(LIMITS) - {"normalize_by_global_norm"}))
def test_an_infinite_limit_is_none(name, backend):
    start, gradient = np.array([[1.0, -2.0], [0.5, 0.0]]), np.array([[3.0, -4.0], [0.0, 1e-9]])
    moved = after_one_update(name, backend, start, gradient, **{LIMITS[name]: math.inf})
    np.testing.assert_array_equal(moved, start - 0.5 * gradient)


def test_a_limit_that_a_schedule_takes_below_zero_stops_and_does_not_reverse(backend):
    params = [np.zeros(2)]
    chain = chain_of("clip_by_global_norm", "sgd")
    limit = ld.Schedule(10.0 - 5 * ld.step)
    learner = chain(params, backend=backend, lr=1.0, max_norm=limit)
    path = []
    for _ in range(4):
        learner.update([np.array([3.0, 4.0])])
        path.append(params[0].copy())
    np.testing.assert_allclose(path, [[-3, -4]] * 4, rtol=1e-15)


@pytest.mark.parametrize("name", transforms.__all__)
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_a_transform_stays_a_number_without_gradients_and_weights(name, rule):
    shapes = [(3, 2), (4,), (1,), (0,), (3, 0), *([()] if name != "qk_clip" else [])]
    for size, weight in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1e-30, 1.0), (1e30, 1e-30)):
        params = [np.full(shape, weight) for shape in shapes]
        learner = chain_of(name, rule)(params, backend="numpy")
        for _ in range(5):
            gradients = [np.full(shape, size) for shape in shapes]
            learner.update(gradients, **extras_of(name, params))
        assert all(np.isfinite(p).all() for p in params)


@pytest.mark.parametrize(
    "name", sorted(set(transforms.__all__) - {"fixed_weight_decay", "perturb", "qk_clip"})
)
def test_weights_within_all_limits_stay_at_a_rate_of_0(name):
    params = [np.full((3, 2), 0.25), np.full(4, 0.125)]
    start = [p.copy() for p in params]
    rate = ld.schedules.constant(0.0)
    learner = chain_of(name, "adam")(params, backend="numpy", lr=rate)
    rng = np.random.default_rng(2)
    for _ in range(8):
        learner.update([rng.standard_normal(p.shape) for p in params])
    assert all(np.array_equal(p, q) for p, q in zip(params, start, strict=True))


@pytest.mark.parametrize(
    ("name", "option"), [("accumulate", "k"), ("swa", "swa_every"), ("lookahead", "sync_period")]
)
@pytest.mark.parametrize("value", [0, -2])
def test_a_period_is_one_update_or_more(name, option, value):
    with pytest.raises(
        ld.HyperparameterError, match=f"{option} must be a whole number, 1 or more, got"
    ):
        chain_of(name, "sgd")([np.ones(3)], **{option: value})
