"""DP-SGD as the chain of the cookbook: clip each example, add up, add noise once, step."""

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.learners import adam, sgd
from learnerdsl.transforms import accumulate, add_noise, clip_by_global_norm

DP_SGD = ld.chain(clip_by_global_norm, accumulate, add_noise, sgd, name="dp_sgd")
SHAPES = {"w": (4, 3), "b": (5,)}


def private(params, clip, sigma, batch, lr=0.1, **arguments):
    """A learner as the cookbook makes it."""
    noise = (sigma * clip / batch) ** 2
    own = {"max_norm": clip, "k": batch, "noise_eta": noise, "noise_gamma": 0.0}
    return DP_SGD(params, lr=lr, **own, **arguments)


def examples(seed, count):
    """A gradient for each example; some are longer than the limit, some shorter."""
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(0.01, 1.0, count)
    return [{n: size * rng.standard_normal(s) for n, s in SHAPES.items()} for size in sizes]


@pytest.mark.filterwarnings("ignore:.*deprecated and will be removed in optax:DeprecationWarning")
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_without_noise_it_is_that_of_optax(backend):
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    clip, batch = 0.7, 8
    with jax.enable_x64(True):
        params = {n: np.random.default_rng(1).standard_normal(s) for n, s in SHAPES.items()}
        theirs = {n: jax.numpy.asarray(p) for n, p in params.items()}
        optimizer = optax.contrib.dpsgd(0.1, l2_norm_clip=clip, noise_multiplier=0.0, seed=0)
        state = optimizer.init(theirs)
        learner = private(params, clip, 0.0, batch, backend=backend)
        for step in range(3):
            own = examples(step, batch)
            norms = [np.sqrt(sum((g**2).sum() for g in one.values())) for one in own]
            assert min(norms) < clip < max(norms)
            for gradient in own:
                learner.update(gradient)
            stacked = {n: jax.numpy.stack([one[n] for one in own]) for n in SHAPES}
            changes, state = optimizer.update(stacked, state, theirs)
            theirs = optax.apply_updates(theirs, changes)
            for name, p in params.items():
                np.testing.assert_allclose(p, theirs[name], rtol=1e-12)


def test_the_noise_has_the_deviation_of_the_paper_and_comes_once_in_a_batch():
    clip, sigma, batch, size = 0.5, 1.3, 4, 20_000
    params = {"w": np.zeros(size), "b": np.zeros(size)}
    learner = private(params, clip, sigma, batch, lr=1.0, seed=12345)
    nothing = {n: np.zeros(size) for n in params}
    drawn, before = [], {n: p.copy() for n, p in params.items()}
    for update in range(1, 10 * batch + 1):
        learner.update(nothing)
        changed = [not np.array_equal(p, before[n]) for n, p in params.items()]
        assert changed == [update % batch == 0] * 2
        if all(changed):
            drawn.append(np.concatenate([p - before[n] for n, p in params.items()]))
            before = {n: p.copy() for n, p in params.items()}
    noise = np.array(drawn) / (sigma * clip / batch)
    count = noise.size
    assert abs(noise.mean()) < 5 / np.sqrt(count)
    assert abs(noise.var() - 1) < 5 * np.sqrt(2 / count)
    assert abs((noise**4).mean() - 3) < 5 * np.sqrt(96 / count)
    # Steps, and the two tensors, have numbers of their own.
    between_steps = np.corrcoef(noise) - np.eye(len(noise))
    assert np.abs(between_steps).max() < 6 / np.sqrt(2 * size)
    assert abs(np.corrcoef(noise[:, :size].ravel(), noise[:, size:].ravel())[0, 1]) < 0.012


def test_an_example_moves_the_sum_by_no_more_than_the_limit():
    clip, batch = 0.5, 3
    ends = []
    for last in (examples(9, 1)[0], {n: np.full(s, 1e6) for n, s in SHAPES.items()}):
        params = {n: np.zeros(s) for n, s in SHAPES.items()}
        learner = private(params, clip, 0.0, batch, lr=1.0)
        for gradient in (*examples(8, batch - 1), last):
            learner.update(gradient)
        ends.append(np.concatenate([p.ravel() for p in params.values()]))
    assert np.linalg.norm(ends[0] - ends[1]) <= 2 * clip / batch * (1 + 1e-12)


def test_missing_examples_of_a_drawn_batch_are_zeros():
    clip, batch = 0.5, 4
    params = {n: np.zeros(s) for n, s in SHAPES.items()}
    learner = private(params, clip, 0.0, batch, lr=1.0)
    (one,) = examples(3, 1)
    for gradient in (one, *[{n: np.zeros(s) for n, s in SHAPES.items()}] * (batch - 1)):
        learner.update(gradient)
    norm = np.sqrt(sum((g**2).sum() for g in one.values()))
    for name, p in params.items():
        np.testing.assert_allclose(p, -one[name] * min(1, clip / norm) / batch, rtol=1e-12)


def test_any_rule_may_follow_the_noise():
    chain = ld.chain(clip_by_global_norm, accumulate, add_noise, adam)
    params = {n: np.zeros(s) for n, s in SHAPES.items()}
    learner = chain(params, k=2, noise_eta=1e-4, noise_gamma=0.0)
    for gradient in examples(5, 4):
        learner.update(gradient)
    assert learner.state["w"]["m"].any()
