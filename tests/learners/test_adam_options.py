"""Options of Adam's relatives, which the battery leaves at their defaults."""

import numpy as np
import pytest

from learnerdsl import learners


def _path(rule, gradients, extras=None, **arguments):
    """The parameters after each step from ones."""
    params = np.ones(gradients.shape[1:])
    learner = rule([params], **arguments)
    path = []
    for k, g in enumerate(gradients):
        learner.update([g.copy()], **({} if extras is None else {"hessian_diag": [extras[k]]}))
        path.append(params.copy())
    return np.array(path)


@pytest.mark.parametrize(("roots", "partial"), [(0, 0.5), (1, 0.25), (2, 0.125)])
def test_padam_raises_to_half_the_power_for_each_root(roots, partial):
    gradients = np.random.default_rng(1).standard_normal((10, 6))
    path = _path(learners.padam, gradients, lr=0.1, roots=roots)
    m = v = np.zeros(6)
    wanted = np.ones(6)
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        rate = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        wanted = wanted - rate * m / (np.sqrt(v) + 1e-8) ** (2 * partial)
        np.testing.assert_allclose(path[t - 1], wanted, rtol=1e-12)


def test_aida_without_projections_is_adabelief():
    gradients = np.random.default_rng(2).standard_normal((10, 6))
    path = _path(learners.aida, gradients, lr=0.1, k=0)
    m = s = np.zeros(6)
    wanted = np.ones(6)
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g
        s = 0.999 * s + 0.001 * (m - g) ** 2 + 1e-8
        rate = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        wanted = wanted - rate * m / (np.sqrt(s) + 1e-8)
        np.testing.assert_allclose(path[t - 1], wanted, rtol=1e-12)


@pytest.mark.parametrize("interval", [1, 3])
def test_sophia_looks_at_the_estimate_only_where_it_is_used(interval):
    rng = np.random.default_rng(3)
    gradients = rng.standard_normal((9, 6))
    estimates = rng.uniform(10, 200, (9, 6))
    unknown = np.where(np.arange(9)[:, None] % interval == 0, estimates, np.nan)
    path = _path(learners.sophia, gradients, unknown, lr=0.1, update_interval=interval)
    m = h = np.zeros(6)
    wanted = np.ones(6)
    for k, (g, estimate) in enumerate(zip(gradients, estimates, strict=True)):
        m = 0.965 * m + 0.035 * g
        u = np.clip(m / (1 - 0.965 ** (k + 1)) / np.maximum(0.01 * h, 1e-8), -1, 1)
        wanted = wanted - 0.1 * (u + 1e-4 * wanted)
        if k % interval == 0:
            h = 0.99 * h + 0.01 * estimate
        np.testing.assert_allclose(path[k], wanted, rtol=1e-12)


def test_gravity_starts_from_a_normal_velocity():
    rest = np.zeros((2, 100_000))
    first, second = np.diff(_path(learners.gravity, rest, alpha=0.5, lr=0.1), axis=0, prepend=1)
    share = (0.9 + 1) / 3
    assert abs(first.mean()) < 0.01
    assert first.std() == pytest.approx(0.5 * share, rel=0.02)
    np.testing.assert_allclose(second, first * (2 * 0.9 + 1) / 4, atol=1e-12)


def test_adabound_ends_between_its_bounds():
    gradients = np.full((2000, 3), [1e-3, 1.0, 1e3])
    steps = -np.diff(_path(learners.adabound, gradients, gamma=10.0), axis=0)[-1]
    np.testing.assert_allclose(steps, 0.1 * gradients[-1], rtol=1e-3)
