"""Rules that optax defines alike move parameters alike: exactly in float64, nearly in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.optax_rules import PAIRS
from support.tiers import slow

import learnerdsl.jax as ldj

STEPS = 30
QUICK = {"adamw", "lamb", "adafactor_optax"}
NAMES = [n if n in QUICK else slow(n) for n in PAIRS]
FLOAT64 = 1e-13
"""In float64 the definitions must agree."""

FLOAT32_INSIDE = {"adafactor_optax": 1e-7}
"""What optax computes in float32 even where float64 is enabled: the decay of adafactor."""


def ends(name, dtype):
    """The start, and the parameters after some steps of our transformation and of optax's."""
    arguments, theirs, _ = PAIRS[name]
    numbers = np.random.default_rng(1)
    start = {"w": numbers.normal(size=(6, 4)), "b": numbers.normal(size=5)}
    goal = jax.tree.map(lambda p: jnp.asarray(p + numbers.normal(size=p.shape), dtype), start)
    start = jax.tree.map(lambda p: jnp.asarray(p, dtype), start)

    def end(tx):
        def once(held, k):
            params, state = held
            gradients = jax.tree.map(lambda p, q: p - q + jnp.sin(3 * p + k), params, goal)
            updates, state = tx.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), None

        steps = jnp.arange(STEPS, dtype=dtype)
        return jax.jit(lambda p: jax.lax.scan(once, (p, tx.init(p)), steps)[0][0])(start)

    return start, end(getattr(ldj, name)(**arguments)), end(theirs())


def difference(start, ours, theirs):
    """The largest, as a part of the movement of its tensor."""
    shares = jax.tree.map(
        lambda s, a, b: float(jnp.abs(a - b).max() / jnp.abs(b - s).max()), start, ours, theirs
    )
    return max(jax.tree.leaves(shares))


@pytest.mark.parametrize("name", NAMES)
def test_float64_equals_optax(name):
    with jax.enable_x64(True):
        assert difference(*ends(name, jnp.float64)) <= FLOAT32_INSIDE.get(name, FLOAT64)


@pytest.mark.parametrize("name", NAMES)
def test_float32_is_near_optax(name):
    assert difference(*ends(name, jnp.float32)) <= PAIRS[name][2]
