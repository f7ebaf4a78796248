"""Train a network whose parameters are split over eight devices by JAX, and one on one device.

Run it with `python examples/jax_sharded.py`. It needs JAX and optax, and no device but the
processor, of which JAX makes eight.
"""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"  # before JAX starts

import re
from collections import Counter

import jax
import jax.numpy as jnp
import optax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import learnerdsl.jax as ldj

STEPS, MINIBATCH, INPUTS, HIDDEN = 30, 64, 16, 32

# Matrices are split over both axes of the mesh, and the minibatch over one of them.
AXES = ("data", "model")
PARTS = {"hidden": P("data", "model"), "bias": P("model"), "out": P("model")}

COLLECTIVES = re.compile(r"= .*?\b(all-reduce|all-gather|all-to-all|collective-permute)\(")


def network(key):
    """Return the parameters of two layers."""
    first, second = jax.random.split(key)
    return {
        "hidden": jax.random.normal(first, (INPUTS, HIDDEN)) / INPUTS**0.5,
        "bias": jnp.zeros(HIDDEN),
        "out": jax.random.normal(second, (HIDDEN, 4)) / HIDDEN**0.5,
    }


def loss(params, inputs, targets):
    """Return the mean squared error."""
    hidden = jax.nn.tanh(inputs @ params["hidden"] + params["bias"])
    return jnp.mean((hidden @ params["out"] - targets) ** 2)


def minibatches():
    """Yield inputs and targets."""
    mixing = jax.random.normal(jax.random.key(7), (INPUTS, 4)) / INPUTS**0.5
    for key in jax.random.split(jax.random.key(1), STEPS):
        inputs = jax.random.normal(key, (MINIBATCH, INPUTS))
        yield inputs, jnp.sin(inputs @ mixing)


def train(tx, mesh=None):
    """Return the last loss, the parameters, and the collectives of an update."""
    params = network(jax.random.key(0))
    if mesh is not None:
        params = {n: jax.device_put(p, NamedSharding(mesh, PARTS[n])) for n, p in params.items()}
    state = tx.init(params)  # split as the parameters are

    def update(grads, state, params):
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    @jax.jit
    def step(params, state, inputs, targets):
        value, grads = jax.value_and_grad(loss)(params, inputs, targets)
        return value, *update(grads, state, params)

    text = jax.jit(update).lower(params, state, params).compile().as_text()
    for batch in minibatches():
        if mesh is not None:
            batch = jax.device_put(batch, NamedSharding(mesh, P("data")))
        value, params, state = step(params, state, *batch)
        # Eight devices on few cores must not run ahead of each other.
        jax.block_until_ready(params)
    return float(value), params, Counter(COLLECTIVES.findall(text))


def main():
    """Print for each transformation the losses, the difference, and what devices exchange."""
    kinds = (jax.sharding.AxisType.Auto,) * 2
    mesh = jax.make_mesh((4, 2), AXES, axis_types=kinds)
    rules = {
        "LAMB": ldj.lamb(lr=0.02),
        "Muon": ldj.muon_optax(lr=0.02),
        "Muon of optax": optax.contrib.muon(0.02),
    }
    print(f"{'':14} one device  eight devices  difference  collectives of an update")
    for name, tx in rules.items():
        alone, params, _ = train(tx)
        together, split, exchanged = train(tx, mesh)
        apart = max(float(jnp.max(jnp.abs(params[n] - split[n]))) for n in params)
        counts = ", ".join(f"{n} {kind}" for kind, n in sorted(exchanged.items())) or "none"
        print(f"{name:14} {alone:10.6f}  {together:13.6f}  {apart:10.1e}  {counts}")
        if any(split[n].sharding.spec != PARTS[n] for n in split):
            print(f"{name}: parameters moved")


if __name__ == "__main__":
    main()
