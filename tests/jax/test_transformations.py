"""Transformations of JAX and of optax around ours: vmap, scan, remat, masks, chains, modes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import learnerdsl as ld
import learnerdsl.jax as ldj
from learnerdsl import learners, transforms
from learnerdsl.errors import RuleError

PARAMS = {"w": jnp.arange(1.0, 7.0).reshape(2, 3), "b": jnp.array([0.5, -0.5, 2.0])}
GRADIENTS = {"w": jnp.sin(PARAMS["w"]), "b": jnp.array([1.0, -2.0, 0.1])}


def after(tx, steps=3, params=PARAMS):
    """The parameters and the state after some jitted updates."""
    update, state = jax.jit(tx.update), tx.init(params)
    for k in range(steps):
        gradients = jax.tree.map(lambda p, g, k=k: p - g * (k + 1), params, GRADIENTS)
        updates, state = update(gradients, state, params)
        params = optax.apply_updates(params, updates)
    return params, state


def assert_close(ours, theirs, tolerance=1e-6):
    for a, b in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# Of JAX


def test_vmap_over_models_is_each_model():
    tx = ldj.lamb(lr=0.1)
    many = jax.tree.map(lambda p: jnp.stack([p, 2 * p, -p]), PARAMS)
    gradients = jax.tree.map(jnp.cos, many)

    def once(params, gradients):
        return tx.update(gradients, tx.init(params), params)[0]

    together = jax.vmap(once)(many, gradients)
    for k in range(3):
        own = [jax.tree.map(lambda x, k=k: x[k], tree) for tree in (many, gradients)]
        assert_close(jax.tree.map(lambda x, k=k: x[k], together), once(*own))


def test_vmap_over_learning_rates_is_each_rate():
    def once(rate):
        tx = ldj.adam(lr=rate)
        return tx.update(GRADIENTS, tx.init(PARAMS), PARAMS)[0]

    rates = jnp.array([0.0, 0.1, 0.5])
    together = jax.jit(jax.vmap(once))(rates)
    for k, rate in enumerate(rates):
        assert_close(jax.tree.map(lambda x, k=k: x[k], together), once(rate))


def test_scan_and_remat_are_the_loop():
    tx = ldj.adamw(lr=0.1, weight_decay=0.1)

    def end(rate, checkpoint):
        tx = ldj.adamw(lr=rate, weight_decay=0.1)

        def once(held, k):
            params, state = held
            gradients = jax.tree.map(lambda p, g: p - g * (k + 1), params, GRADIENTS)
            updates, state = tx.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), None

        body = jax.checkpoint(once) if checkpoint else once
        return jax.lax.scan(body, (PARAMS, tx.init(PARAMS)), jnp.arange(3.0))[0][0]

    assert_close(jax.jit(end, static_argnums=1)(0.1, False), after(tx)[0])
    slopes = [
        jax.jit(jax.grad(lambda rate, c=c: end(rate, c)["w"].sum()))(0.1) for c in (False, True)
    ]
    assert slopes[0] != 0
    np.testing.assert_allclose(*slopes, rtol=1e-5)


@pytest.mark.parametrize("schedule", [0.1, ldj.from_optax(optax.linear_schedule(0.1, 0.0, 9))])
def test_a_donated_state_is_updated_without_copies(schedule):
    tx = ldj.adam(lr=schedule)

    def once(params, state, gradients):
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    lowered = jax.jit(once, donate_argnums=(0, 1)).lower(PARAMS, tx.init(PARAMS), GRADIENTS)
    assert " copy(" not in lowered.compile().as_text()


def test_parameters_and_states_may_be_donated_at_the_first_step():
    # schedule_free_adamw starts from the parameters: its state may not be these arrays.
    for tx in (ldj.schedule_free_adamw(lr=0.1), ldj.prodigy()):
        params = jax.tree.map(jnp.copy, PARAMS)
        expected, _ = after(tx, 1)

        def once(params, state, tx=tx):
            gradients = jax.tree.map(lambda p, g: p - g, params, GRADIENTS)
            updates, state = tx.update(gradients, state, params)
            return optax.apply_updates(params, updates), state

        params, _ = jax.jit(once, donate_argnums=(0, 1))(params, tx.init(params))
        assert_close(params, expected)


@pytest.mark.parametrize("name", ["adam", "adafactor", "prodigy", "muon_with_adamw"])
def test_shapes_are_known_without_computing(name):
    tx = getattr(ldj, name)()
    state = tx.init(PARAMS)
    shape_of = jax.eval_shape(tx.init, PARAMS)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), state) == jax.tree.map(
        lambda x: (x.shape, x.dtype), shape_of
    )
    updates, _ = jax.eval_shape(tx.update, GRADIENTS, shape_of, PARAMS)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), updates) == jax.tree.map(
        lambda x: (x.shape, x.dtype), GRADIENTS
    )


@pytest.mark.parametrize("name", ["adam", "lamb", "adafactor", "sm3", "prodigy"])
def test_a_number_is_a_tensor_of_no_axes(name):
    tx = getattr(ldj, name)(lr=0.1)
    updates, state = jax.jit(tx.update)(jnp.float32(2.0), tx.init(jnp.ones(())), jnp.ones(()))
    assert updates.shape == ()
    assert updates < 0
    assert int(state.count) == 1


@pytest.mark.parametrize("params", [{}, {"none": jnp.zeros((0, 3))}], ids=["no leaf", "no element"])
@pytest.mark.parametrize("name", ["adam", "lamb", "prodigy"])
def test_nothing_is_updated_by_nothing(name, params):
    tx = getattr(ldj, name)(lr=0.1)
    updates, state = jax.jit(tx.update)(params, tx.init(params), params)
    assert jax.tree.map(jnp.shape, updates) == jax.tree.map(jnp.shape, params)
    assert int(state.count) == 1


@pytest.mark.parametrize("name", ["adamw", "lamb", "adafactor", "prodigy", "noisy_sgd", "radam"])
def test_strict_modes_of_jax_find_nothing(name):
    tx = getattr(ldj, name)(lr=0.1)
    expected, _ = after(tx, 2)
    with (
        jax.numpy_dtype_promotion("strict"),
        jax.debug_nans(True),
        jax.checking_leaks(),
        jax.log_compiles(False),
    ):
        found, _ = after(tx, 2)
    assert_close(found, expected)


def test_weak_types_do_not_compile_again():
    tx, traces = ldj.adamw(lr=0.1, weight_decay=0.1), []

    @jax.jit
    def once(gradients, state, params):
        traces.append(1)
        return tx.update(gradients, state, params)

    params = {"w": jnp.ones(3)}
    state = tx.init(params)
    for _ in range(3):
        updates, state = once(params, state, params)
        params = optax.apply_updates(params, updates)
    assert len(traces) == 1


# Of optax


def test_chains_on_both_sides():
    ours = optax.chain(optax.clip_by_global_norm(1.0), ldj.sgd(lr=0.5), optax.scale(2.0))
    theirs = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.5), optax.scale(2.0))
    assert_close(after(ours)[0], after(theirs)[0])


def test_a_chain_of_rules_is_that_chain_of_optax():
    rule = ld.chain(transforms.clip_by_global_norm, learners.adamw, name="clipped")
    ours = rule.optax(max_norm=0.5, lr=0.1, weight_decay=0.1)
    theirs = optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(0.1, weight_decay=0.1))
    assert_close(after(ours)[0], after(theirs)[0], 1e-4)


def test_masked_and_partition_leave_the_rest_alone():
    masked, _ = after(optax.masked(ldj.adam(lr=0.1), {"w": True, "b": False}))
    whole, _ = after(ldj.adam(lr=0.1))
    labels = {"w": "ours", "b": "none"}
    parts = {"ours": ldj.adam(lr=0.1), "none": optax.set_to_zero()}
    divided, _ = after(optax.partition(parts, labels))
    assert_close(masked["w"], whole["w"])
    assert_close(divided["w"], whole["w"])
    np.testing.assert_array_equal(divided["b"], PARAMS["b"])


def test_updates_that_are_not_finite_are_left_out():
    tx = optax.apply_if_finite(ldj.adam(lr=0.1), 3)
    state = tx.init(PARAMS)
    wrong = jax.tree.map(lambda g: g * jnp.nan, GRADIENTS)
    updates, state = jax.jit(tx.update)(wrong, state, PARAMS)
    assert all(not leaf.any() for leaf in jax.tree.leaves(updates))
    assert int(state.inner_state.count) == 0
    updates, state = jax.jit(tx.update)(GRADIENTS, state, PARAMS)
    expected, _ = ldj.adam(lr=0.1).update(GRADIENTS, ldj.adam(lr=0.1).init(PARAMS), PARAMS)
    assert_close(updates, expected)


def test_lookahead_of_optax():
    ends = []
    for inner in (ldj.sgd(lr=0.1), optax.sgd(0.1)):
        tx = optax.lookahead(inner, sync_period=2, slow_step_size=0.5)
        params = optax.LookaheadParams.init_synced(PARAMS)
        state = tx.init(params)
        for _ in range(4):
            updates, state = tx.update(params.fast, state, params)
            params = optax.apply_updates(params, updates)
        ends.append(params)
    assert_close(*ends)


def test_states_are_found_by_name():
    tx = optax.chain(optax.clip(1.0), ldj.adam(lr=0.1))
    _, state = after(tx, 2)
    assert int(optax.tree.get(state, "count")) == 2
    assert set(optax.tree.get(state, "states")) == {"m", "v"}
    assert optax.tree.get(state, "m")["w"].shape == PARAMS["w"].shape


@pytest.mark.parametrize("name", ["adam", "adafactor", "prodigy"])
def test_tree_map_params_maps_states_like_parameters(name):
    tx = getattr(ldj, name)(lr=0.1)
    state = tx.init(PARAMS)
    same = optax.tree.map_params(tx, lambda x: x + 7, state)
    assert jax.tree.structure(same) == jax.tree.structure(state)
    assert int(same.count) == 0
    for states in state.states:
        for before, now in zip(
            jax.tree.leaves(state.states[states]), jax.tree.leaves(same.states[states]), strict=True
        ):
            np.testing.assert_allclose(now, before + 7)


def test_a_shape_that_a_rule_does_not_take_is_refused_beside_one_that_it_takes():
    with pytest.raises(RuleError, match=r"Parameter 'c' of shape \(3,\): muon is for matrices"):
        ldj.muon().init({"a": jnp.ones((4, 3)), "c": jnp.ones(3)})


def test_a_scalar_of_a_tensor_is_there_for_each_sum_and_what_follows():
    """It is rounded where it meets elements: before a sum over the model, and after it again."""

    @ld.rule
    def growing(p, g, lr=0.1):
        s = ld.state("s", shape="tensor", init=1.0)
        growth = ld.let("growth", 2 * s)
        total = ld.sum(growth * g**2, over="model")
        new = ld.assign(s, s + 0.1 * growth)
        return ld.assign(p, p - lr * growth * new * g / total)

    params, state = after(growing.optax(lr=0.1))
    arrays = {name: np.array(p, np.float32) for name, p in PARAMS.items()}
    learner = growing(arrays, lr=0.1, backend="numpy")
    for k in range(3):
        learner.update({n: arrays[n] - np.array(GRADIENTS[n]) * (k + 1) for n in arrays})

    assert_close(params, arrays, 1e-6)
    for name, states in learner.state.items():
        np.testing.assert_allclose(state.states["s"][name], states["s"], rtol=1e-6)
