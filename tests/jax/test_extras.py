"""Extras of tensors and axes under JAX: trees with a value, or None, for each leaf."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import learnerdsl as ld
import learnerdsl.jax as ldj
from learnerdsl.learners import adamw, muon, sgd
from learnerdsl.transforms import qk_clip

MUONCLIP = ld.chain(muon, qk_clip)
MIXED = ld.by_parameter(lambda name, shape: MUONCLIP if name in ("q", "k") else adamw)


@ld.rule
def scaled(p, g, lr=0.1):
    """Gradient descent with rates for each tensor, row and column, and a decay for the model."""
    rate = ld.extra("rate", shape="tensor") + ld.extra("of_rows", shape=(0,))
    rate = rate * ld.extra("of_cols", shape="cols")
    return ld.assign(p, p - lr * rate * g - ld.extra("loss") * p)


def problem(seed):
    """Parameters, gradients, and extras as arrays."""
    rng = np.random.default_rng(seed)
    shapes = {"x": (3, 4), "y": (2, 3, 4)}

    def draw(of):
        return {n: rng.standard_normal(of(s)).astype(np.float32) for n, s in shapes.items()}

    extras = {
        "rate": {n: np.float32(rng.standard_normal()) for n in shapes},
        "of_rows": draw(lambda s: s[:1]),
        "of_cols": draw(lambda s: (*s[:-2], s[-1])),
        "loss": 0.25,
    }
    return draw(lambda s: s), draw(lambda s: s), extras


@pytest.mark.parametrize("is_jitted", [True, False])
def test_updates_are_those_of_a_learner(is_jitted):
    params, _, _ = problem(0)
    transformation = scaled.optax()
    theirs = {n: jnp.asarray(p) for n, p in params.items()}

    def update(gradients, state, params, extras):
        return transformation.update(gradients, state, params, **extras)

    update = jax.jit(update) if is_jitted else update
    state, learner = transformation.init(theirs), scaled(params)
    for seed in range(1, 4):
        _, gradients, extras = problem(seed)
        changes, state = update(gradients, state, theirs, extras)
        theirs = {n: theirs[n] + changes[n] for n in theirs}
        learner.update(gradients, **extras)
    for name, p in params.items():
        np.testing.assert_allclose(theirs[name], p, rtol=2e-6, atol=1e-6)


def test_leaves_of_other_rules_have_none():
    rng = np.random.default_rng(0)
    params = {n: rng.standard_normal((2, 3, 4)).astype(np.float32) for n in "qkw"}
    gradients = {n: rng.standard_normal((2, 3, 4)).astype(np.float32) for n in "qkw"}
    logits = {n: np.array([400.0, 99.0]) for n in "qk"}
    transformation = MIXED.optax()
    theirs = {n: jnp.asarray(p) for n, p in params.items()}
    state = transformation.init(theirs)
    changes, _ = jax.jit(lambda *given: transformation.update(*given[:3], max_logit=given[3]))(
        gradients, state, theirs, {**logits, "w": None}
    )
    MIXED(params).update(gradients, max_logit=logits)
    for name, p in params.items():
        np.testing.assert_allclose(theirs[name] + changes[name], p, rtol=1e-5, atol=1e-6)


BAD = {
    "shape": (
        jnp.ones(3),
        r"max_logit of 'q' has shape \(3,\), but its rule asks for shape \(2,\)",
    ),
    "None": (None, "max_logit of 'q' is missing"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_value_that_does_not_fit_is_refused(what):
    value, message = BAD[what]
    transformation = ldj.transformation(ld.chain(sgd, qk_clip))
    params = {"q": jnp.ones((2, 3))}
    with pytest.raises(ld.ArrayError, match=message):
        transformation.update(params, transformation.init(params), params, max_logit={"q": value})


def test_a_value_that_is_missing_is_named():
    transformation = ldj.transformation(ld.chain(sgd, qk_clip))
    params = {"q": jnp.ones((2, 3))}
    with pytest.raises(
        ld.HyperparameterError, match="sgd_qk_clip needs 'max_logit' in each update"
    ):
        transformation.update(params, transformation.init(params), params)


def test_weights_are_seen_by_heads():
    transformation = ldj.transformation(
        ld.chain(sgd, qk_clip), lr=0.0, reshape=lambda name, shape: (2, 3, -1)
    )
    params = {"q": jnp.ones((6, 4))}
    state = transformation.init(params)
    changes, _ = transformation.update(params, state, params, max_logit={"q": jnp.array([1, 400])})
    np.testing.assert_allclose(changes["q"][:, 0], [0, 0, 0, -0.5, -0.5, -0.5])
