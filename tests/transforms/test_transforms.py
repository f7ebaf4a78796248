"""The battery that every transform passes, before or after sgd and adam."""

import inspect

import numpy as np
import pytest
from support import transforms_by_hand as references
from support.chains import RANDOM, RULES, chain_of, extras_of, follow, follow_by_hand, problem
from support.coins import coins_of
from support.tiers import FEW_TRANSFORMS, few, slow

import learnerdsl as ld
from learnerdsl import transforms
from learnerdsl.learners import lamb, sgd

NAMES = transforms.__all__
PASSES = {
    "adaptive_clip": 2,
    "apply_if_finite": 2,
    "asam": 2,
    "cautious": 2,
    "centralize": 2,
    "clip_by_block_rms": 2,
    "clip_by_global_norm": 2,
    "clip_by_norm": 2,
    "clip_grad_norm": 2,
    "magma": 2,
    "mechanic": 2,
    "equilibrate_rows": 2,
    "hyperball": 3,
    "normalize_by_global_norm": 2,
    "orthograd": 3,
    "project_l2_ball": 2,
    "project_max_norm": 2,
    "sam": 2,
    "radial_brake": 2,
    "radius_pin": 2,
    "row_update_floor": 2,
    "scale_by_block_rms": 2,
    "trust_ratio": 2,
    "update_floor": 2,
}
STATES = {
    "ema": "average",
    "ema_nesterov": "movement",
    "lookahead": "slow",
    "sam": "kept",
    "asam": "kept",
    "swa": "swa_average",
    "tail_ema": "tail_average",
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", sorted(set(NAMES) - RANDOM))
def test_transform_follows_its_reference(name, rule):
    start, gradients, hypers = problem(name, rule)
    path, learner = follow(name, rule, start, gradients, hypers)
    expected, state = follow_by_hand(name, rule, start, gradients, hypers)
    for (params, _), wanted in zip(path, expected, strict=True):
        for a, b in zip(params, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    if name in STATES:
        for k, wanted in enumerate(state[STATES[name]]):
            np.testing.assert_allclose(learner.state[k][STATES[name]], wanted, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", slow("float64")])
@pytest.mark.parametrize("name", NAMES)
def test_transform_follows_the_oracle(name, dtype):
    start, gradients, hypers = problem(name, "adam", dtype)
    path, _ = follow(name, "adam", start, gradients, hypers)
    expected, _ = follow(name, "adam", start, gradients, hypers, backend="numpy")
    tolerance = {"float32": 2e-5, "float64": 1e-12}[dtype]
    for got, wanted in zip(path, expected, strict=True):
        for a, b in zip([*got[0], *got[1]], [*wanted[0], *wanted[1]], strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"apply_if_finite"}))
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_propagate_as_in_numpy(name, bad):
    ends = []
    for backend in ("cpu", "numpy"):
        params = [np.linspace(-1, 1, 40, dtype=np.float32), np.ones(2, np.float32)]
        options = {"k": 1} if name == "accumulate" else {}
        learner = chain_of(name, "adam")(params, backend=backend, **options)
        gradients = [np.linspace(1, 2, 40, dtype=np.float32), np.ones(2, np.float32)]
        gradients[0][[0, 17, 39]] = bad
        for _ in range(2):
            learner.update(gradients, **extras_of(name, params))
        ends.append([*params, *(a for s in learner.state.values() for a in s.values())])
    for compiled, oracle in zip(*ends, strict=True):
        np.testing.assert_array_equal(np.isnan(compiled), np.isnan(oracle))
        np.testing.assert_array_equal(np.isinf(compiled), np.isinf(oracle))


@pytest.mark.parametrize("name", few(NAMES, FEW_TRANSFORMS))
def test_serial_and_parallel_launches_agree_bitwise(name):
    rng = np.random.default_rng(5)
    start = [rng.standard_normal(n).astype(np.float32) for n in (50_001, 3)]
    gradients = [rng.standard_normal(p.size).astype(np.float32) for p in start]
    ends = []
    for is_parallel in (False, True):
        params = [p.copy() for p in start]
        learner = chain_of(name, "sgd")(params)
        learner._engine.use_threads(is_parallel)
        for _ in range(2):
            learner.update(gradients, **extras_of(name, params))
        ends.append(params)
    for serial, parallel in zip(*ends, strict=True):
        np.testing.assert_array_equal(serial, parallel)


@pytest.mark.parametrize("name", NAMES)
def test_no_pass_is_taken_that_is_not_needed(name):
    assert len(chain_of(name, "adam").plan().passes) == PASSES.get(name, 1)


@pytest.mark.parametrize("name", few(NAMES, FEW_TRANSFORMS))
def test_transform_composes_with_every_kind_of_rule(name):
    transform = getattr(transforms, name)
    for rule in (sgd, lamb):
        before, after = (transform, rule, transforms.ema), (transforms.zero_nans, rule, transform)
        if name in ("ema", "zero_nans"):
            continue
        weights = np.ones(5)
        chain = ld.chain(*(before if transform.place == "before" else after))
        assert chain([weights]).update([np.ones(5)], **extras_of(name, [weights]))
        assert np.isfinite(weights).all()


@pytest.mark.parametrize("name", sorted(set(NAMES) - RANDOM))
def test_every_transform_has_a_reference(name):
    assert callable(getattr(references, name))


@pytest.mark.parametrize("name", NAMES)
def test_transform_says_what_it_needs(name):
    transform = getattr(transforms, name)
    assert transform.place in ("before", "after")
    text = inspect.getdoc(transform)
    for part in ("$$", "Args:", "State variables: ", "http", f"transforms import {name}\n"):
        assert part in text
    for argument in inspect.signature(transform).parameters:
        assert f"    {argument}: " in text


@pytest.mark.parametrize("name", ["add_noise", "perturb"])
def test_noise_is_made_of_the_numbers_of_a_rule_that_draws_them(name):
    @ld.rule
    def drawing(p, g):
        return ld.assign(p, ld.normal())

    drawn, noisy, plain = np.zeros(1000), np.zeros(1000), np.zeros(1000)
    chain = chain_of(name, "sgd")
    learners = [drawing([drawn], seed=3), chain([noisy], lr=1.0, seed=3), sgd([plain], lr=1.0)]
    sizes = {"add_noise": lambda t: -np.sqrt(0.01 / t**0.55), "perturb": lambda t: 1e-3}
    for t in range(1, 4):
        before = noisy.copy()
        for learner in learners:
            learner.update([np.ones(1000)])
        np.testing.assert_allclose(noisy - before + 1, sizes[name](t) * drawn, atol=1e-12)
    assert np.std(drawn) == pytest.approx(1, abs=0.1)


def test_magma_drops_updates_by_its_coins_and_damps_the_others():
    rng, shapes = np.random.default_rng(4), ((40,), (3, 5), ())
    start = [np.array(rng.standard_normal(shape)) for shape in shapes]
    sequence = [[np.array(rng.standard_normal(s)) for s in shapes] for _ in range(20)]
    params = [p.copy() for p in start]
    learner = ld.chain(sgd, transforms.magma)(params, lr=0.1, seed=3)
    momenta, alignments = [np.zeros(s) for s in shapes], [1.0, 1.0, 1.0]
    for gradients, coins in zip(sequence, coins_of(shapes, 20, seed=3), strict=True):
        learner.update(gradients)
        for k, (g, coin) in enumerate(zip(gradients, coins, strict=True)):
            momenta[k] = 0.9 * momenta[k] + 0.1 * g
            cosine = np.sum(momenta[k] * g) / np.sqrt(np.sum(momenta[k] ** 2) * np.sum(g * g))
            alignments[k] = 0.9 * alignments[k] + 0.1 / (1 + np.exp(-cosine / 2))
            start[k] = start[k] - 0.1 * coin * alignments[k] * g
            np.testing.assert_allclose(params[k], start[k], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1, 4097, 100_003])
def test_the_coin_of_a_tensor_of_any_size_is_fair(size):
    learner = ld.chain(sgd, transforms.magma)([np.zeros(size, np.float32)], lr=1.0)
    moved = 0
    for _ in range(100):
        before = learner.parameters[0].copy()
        learner.update([np.ones(size, np.float32)])
        moved += not np.array_equal(before, learner.parameters[0])
    assert 30 < moved < 70


def test_mechanic_finds_the_scale_of_a_rate_that_is_far_too_small():
    ends = []
    for rule in (sgd, ld.chain(sgd, transforms.mechanic)):
        weights = np.array([3.0, -4.0])
        learner = rule([weights], lr=1e-3)
        for _ in range(300):
            learner.update([2 * weights])
        ends.append(np.abs(weights).max())
    assert ends[1] < 0.05 < 1 < ends[0]


def test_evaluation_parameters_are_the_averages():
    for name, state in (("ema", "average"), ("swa", "swa_average")):
        weights = np.ones(3)
        learner = chain_of(name, "sgd")([weights], lr=0.5)
        for _ in range(3):
            learner.update([np.ones(3)])
        np.testing.assert_array_equal(learner.evaluation_parameters()[0], learner.state[0][state])
        assert not np.array_equal(learner.evaluation_parameters()[0], weights)
