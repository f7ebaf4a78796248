"""Flax, Equinox and Orbax train with, hold and save our transformations as those of optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import learnerdsl.jax as ldj
from learnerdsl.errors import ArrayError

pytestmark = pytest.mark.filterwarnings("default")  # these libraries warn of their own

INPUTS = jnp.linspace(-1.0, 1.0, 24).reshape(8, 3)
TARGETS = jnp.sin(3 * INPUTS[:, :2])
PAIRS = [
    (lambda: ldj.adam(lr=0.05), lambda: optax.adam(0.05)),
    (lambda: ldj.lamb(lr=0.05), lambda: optax.lamb(0.05)),
]


@pytest.mark.parametrize("pair", PAIRS, ids=["adam", "lamb"])
def test_nnx_trains_as_with_optax(pair):
    nnx = pytest.importorskip("flax.nnx", reason="Flax is not installed")
    losses = []
    for make in pair:
        model = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
        optimizer = nnx.Optimizer(model, make(), wrt=nnx.Param)

        @nnx.jit
        def once(model, optimizer):
            def loss_of(model):
                return jnp.mean((model(INPUTS) - TARGETS) ** 2)

            loss, gradients = nnx.value_and_grad(loss_of)(model)
            optimizer.update(model, gradients)
            return loss

        losses.append([float(once(model, optimizer)) for _ in range(20)])
    assert losses[0][-1] < 0.9 * losses[0][0]
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize("pair", PAIRS, ids=["adam", "lamb"])
def test_a_train_state_of_linen_trains_as_with_optax(pair):
    linen = pytest.importorskip("flax.linen", reason="Flax is not installed")
    train_state = pytest.importorskip("flax.training.train_state")
    model = linen.Dense(2)
    params = model.init(jax.random.key(0), INPUTS)
    losses = []
    for make in pair:
        state = train_state.TrainState.create(apply_fn=model.apply, params=params, tx=make())

        @jax.jit
        def once(state):
            loss, gradients = jax.value_and_grad(
                lambda p: jnp.mean((model.apply(p, INPUTS) - TARGETS) ** 2)
            )(state.params)
            return state.apply_gradients(grads=gradients), loss

        own = []
        for _ in range(20):
            state, loss = once(state)
            own.append(float(loss))
        losses.append(own)
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_equinox_trains_as_with_optax():
    eqx = pytest.importorskip("equinox", reason="Equinox is not installed")
    ends = []
    for tx in (ldj.adam(lr=0.05), optax.adam(0.05)):
        model = eqx.nn.MLP(3, 2, 8, 1, key=jax.random.key(0))
        state = tx.init(eqx.filter(model, eqx.is_inexact_array))

        @eqx.filter_jit
        def once(model, state, tx=tx):
            def loss_of(model):
                return jnp.mean((jax.vmap(model)(INPUTS) - TARGETS) ** 2)

            loss, gradients = eqx.filter_value_and_grad(loss_of)(model)
            updates, state = tx.update(gradients, state, eqx.filter(model, eqx.is_inexact_array))
            return eqx.apply_updates(model, updates), state, loss

        for _ in range(10):
            model, state, loss = once(model, state)
        ends.append(float(loss))
    # Differences of rounding grow in a network.
    assert ends[0] == pytest.approx(ends[1], rel=1e-2)


def test_a_model_of_equinox_must_be_filtered():
    eqx = pytest.importorskip("equinox", reason="Equinox is not installed")
    model = eqx.nn.MLP(3, 2, 8, 1, key=jax.random.key(0))
    with pytest.raises(ArrayError, match=r"filter the tree first, as by equinox\.filter"):
        ldj.adam(lr=0.1).init(model)


@pytest.mark.parametrize("name", ["adam", "adafactor", "prodigy", "muon_with_adamw"])
def test_orbax_restores_states_bitwise(name, tmp_path):
    orbax = pytest.importorskip("orbax.checkpoint", reason="Orbax is not installed")
    tx = getattr(ldj, name)(lr=0.1)
    params = {"w": jnp.ones((3, 4)), "b": jnp.arange(4.0)}
    _, state = tx.update(jax.tree.map(jnp.cos, params), tx.init(params), params)
    with orbax.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", state)
        checkpointer.wait_until_finished()
        again = checkpointer.restore(tmp_path / "state", tx.init(params))
    assert jax.tree.structure(again) == jax.tree.structure(state)
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(state), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
