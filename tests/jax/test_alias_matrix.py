"""What optax asks of its own optimizers, asked of ours: types, arguments, wrappers, minima."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.optax_rules import TRAINED, extras_of, made, parabola, rosenbrock
from support.tiers import few_of_shared

import learnerdsl.jax as ldj

QUICK = {"adam", "lamb", "adafactor_optax", "polyak_sgd"}
NAMES = few_of_shared(TRAINED, QUICK)
STEPS = 10_000
ONLY_PARABOLA = {"sign_sgd", "signum"}
"""Their steps do not get smaller, so that they need a schedule for Rosenbrock's function."""

CASES = [
    (name, target)
    for name in TRAINED
    for target in (parabola, rosenbrock)
    if not (target is rosenbrock and name in ONLY_PARABOLA)
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), CASES, ids=lambda v: getattr(v, "__name__", v))
def test_a_minimum_is_found(name, target):
    start, end, function = target(jnp.float32)
    tx = made(name)

    def once(held, _):
        params, state = held
        loss, gradient = jax.value_and_grad(function)(params)
        updates, state = tx.update(gradient, state, params, **extras_of(name, loss))
        return (optax.apply_updates(params, updates), state), None

    run = jax.jit(lambda p: jax.lax.scan(once, (p, tx.init(p)), None, length=STEPS)[0][0])
    np.testing.assert_allclose(run(start), end, rtol=3e-2, atol=3e-2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_types_and_shapes_stay(name, dtype):
    with jax.enable_x64(dtype == "float64"):
        start, _, function = parabola(jnp.dtype(dtype))
        tx = made(name)

        def once(held, _):
            params, state = held
            loss, gradient = jax.value_and_grad(function)(params)
            updates, state = tx.update(gradient, state, params, **extras_of(name, loss))
            assert updates.dtype == gradient.dtype == dtype
            return (optax.apply_updates(params, updates), state), loss

        # The carry of a scan must keep its types, weak types included.
        run = jax.jit(lambda p: jax.lax.scan(once, (p, tx.init(p)), None, length=3))
        (params, state), losses = run(start)
        assert params.dtype == dtype
        assert np.isfinite(losses).all()
        assert all(not leaf.weak_type for leaf in jax.tree.leaves(state))
        elements = [leaf for leaf in jax.tree.leaves(state.states) if leaf.shape == start.shape]
        assert {leaf.dtype for leaf in elements} <= {
            jnp.dtype("float64" if dtype == "float64" else "float32")
        }


@pytest.mark.parametrize("name", NAMES)
def test_what_a_rule_does_not_know_is_ignored(name):
    start, _, function = rosenbrock(jnp.float32)
    tx, loss = made(name), function(start)
    extras = {"value": loss, "something_for_another_transformation": 1}
    updates, _ = tx.update(jax.grad(function)(start), tx.init(start), start, **extras)
    alone, _ = tx.update(jax.grad(function)(start), tx.init(start), start, **extras_of(name, loss))
    np.testing.assert_array_equal(updates, alone)


@pytest.mark.parametrize("name", NAMES)
def test_hyperparameters_may_be_injected(name):
    params = [-jnp.ones((2, 3)), jnp.ones((2, 5))]
    gradients = [jnp.ones((2, 3)), -jnp.ones((2, 5))]
    extras = extras_of(name, jnp.float32(0.5))
    found = []
    for make in (getattr(ldj, name), optax.inject_hyperparams(getattr(ldj, name))):
        tx = make(**TRAINED[name])
        state = jax.jit(tx.init)(params)
        updates, state = jax.jit(tx.update)(gradients, state, params, **extras)
        found.append((updates, getattr(state, "inner_state", state)))
    for ours, injected in zip(*map(jax.tree.leaves, found), strict=True):
        # The injected are float32: 0.999 is another number.
        np.testing.assert_allclose(injected, ours, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_accumulated_gradients_are_those_of_a_large_minibatch(name):
    params = {"w": jnp.array([[1.0, 2.0], [-1.0, 0.5]]), "b": jnp.array([1.0, -2.0])}
    parts = [jax.tree.map(lambda x, k=k: jnp.sin(x + k), params) for k in range(8)]
    extras = extras_of(name, jnp.float32(0.5))
    tx = made(name)
    several = optax.MultiSteps(tx, every_k_schedule=4)
    accumulated, at_once = jax.jit(several.update), jax.jit(tx.update)
    state, other, ours, theirs = several.init(params), tx.init(params), params, params
    for k, part in enumerate(parts):
        updates, state = accumulated(part, state, ours, **extras)
        if k % 4 != 3:
            assert all(not leaf.any() for leaf in jax.tree.leaves(updates))
        ours = optax.apply_updates(ours, updates)
    for first in (0, 4):
        mean = jax.tree.map(lambda *g: sum(g) / 4, *parts[first : first + 4])
        updates, other = at_once(mean, other, theirs, **extras)
        theirs = optax.apply_updates(theirs, updates)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
