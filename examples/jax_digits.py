"""Train a network in JAX with a rule of your own, beside a builtin one and one of optax.

Run it with `python examples/jax_digits.py`. It needs JAX, optax and scikit-learn, whose handwritten
digits come with it.
"""

import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

import learnerdsl as ld
import learnerdsl.jax as ldj

SEED, EPOCHS, MINIBATCH, HELD_OUT = 1, 20, 64, 360

# 1. A rule of your own: what happens to one element p of a parameter, whose gradient is g.


@ld.rule
def cautious_momentum(p, g, lr=0.05, decay=0.9):
    """Momentum that moves an element only where momentum and gradient agree in sign."""
    m = ld.state("m")
    m_new = ld.assign(m, decay * m + g)
    return ld.assign(p, p - lr * ld.where(m_new * g > 0, m_new, 0))


# 2. Data and network, as anywhere in JAX.


def digits():
    """Return the images of training and test, and their classes."""
    found = load_digits()
    images, classes = jnp.asarray(found.data / 16, jnp.float32), jnp.asarray(found.target)
    order = jax.random.permutation(jax.random.key(SEED), len(classes))
    images, classes = images[order], classes[order]
    return images[HELD_OUT:], classes[HELD_OUT:], images[:HELD_OUT], classes[:HELD_OUT]


def network(key):
    """Return the parameters of two layers."""
    first, second = jax.random.split(key)
    return {
        "hidden": {"w": jax.random.normal(first, (64, 48)) / 8, "b": jnp.zeros(48)},
        "out": {"w": jax.random.normal(second, (48, 10)) / 7, "b": jnp.zeros(10)},
    }


def logits(params, images):
    """Return a score of each class for each image."""
    hidden = jax.nn.relu(images @ params["hidden"]["w"] + params["hidden"]["b"])
    return hidden @ params["out"]["w"] + params["out"]["b"]


def loss(params, images, classes):
    """Return the mean cross entropy."""
    scores = logits(params, images)
    return optax.softmax_cross_entropy_with_integer_labels(scores, classes).mean()


# 3. Training: one compiled function for an epoch. Nothing here knows who made `tx`.


def train(tx, images, classes):
    """Return trained parameters."""
    count = len(classes) // MINIBATCH

    def step(carried, rows):
        params, state = carried
        gradients = jax.grad(loss)(params, images[rows], classes[rows])
        updates, state = tx.update(gradients, state, params)
        return (optax.apply_updates(params, updates), state), None

    @jax.jit
    def epoch(params, state, key):
        order = jax.random.permutation(key, len(classes))[: count * MINIBATCH]
        return jax.lax.scan(step, (params, state), order.reshape(count, MINIBATCH))[0]

    params = network(jax.random.key(SEED))
    state = tx.init(params)
    for key in jax.random.split(jax.random.key(SEED + 1), EPOCHS):
        params, state = epoch(params, state, key)
    return params


def main():
    """Train with each transformation and print its accuracy."""
    images, classes, test_images, test_classes = digits()
    steps = EPOCHS * (len(classes) // MINIBATCH)
    transformations = {
        "own rule": cautious_momentum.optax(lr=0.05),
        "lion": ldj.lion(lr=ld.schedules.cosine(3e-3, steps=steps), weight_decay=0.1),
        "clip+adamw": optax.chain(optax.clip_by_global_norm(1.0), ldj.adamw(lr=3e-3)),
        "optax.adamw": optax.adamw(3e-3),
    }
    for name, tx in transformations.items():
        params = train(tx, images, classes)
        found = jnp.argmax(logits(params, test_images), axis=1)
        print(f"{name:12} {100 * jnp.mean(found == test_classes):5.1f}%")


if __name__ == "__main__":
    main()
