"""What the tests of the runtime share: small rules, learners of them, and ways to look inside."""

import numpy as np

import learnerdsl as ld

BACKENDS = ("cpu", "numpy")


@ld.rule
def every_state(p, g, lr=0.1, keep=0.9):
    """A state of each shape; the new parameters depend on all of them and on the samples seen."""
    m, peak = ld.state("m"), ld.state("peak", init=1.0, shape="tensor")
    energy = ld.state("energy", shape="model")
    m_new = ld.assign(m, keep * m + (1 - keep) * g)
    peak_new = ld.assign(peak, ld.maximum(peak / 2, ld.max(ld.abs(g))))
    energy_new = ld.assign(energy, energy / 2 + ld.mean(g**2, over="model"))
    rate = lr / (1 + ld.samples / 100)
    return ld.assign(p, p - rate * m_new / (peak_new + ld.sqrt(energy_new)))


@ld.rule
def momentum(p, g, lr=0.1, mu=0.9):
    """One state for each element, which starts from the parameter."""
    v = ld.state("v", init=p)
    v_new = ld.assign(v, mu * v + g)
    return ld.assign(p, p - lr * v_new)


@ld.rule
def descent(p, g, lr=0.5, decay=0.0):
    """One step along the gradient: with g = 1, p falls by the learning rate in force."""
    return ld.assign(p, p - lr * (g + decay * p))


def parameters(form, dtype=np.float32):
    """Two arrays that are the same at every call, in a dict or in a list."""
    weights = np.linspace(-1, 1, 12, dtype=dtype).reshape(3, 4)
    bias = np.linspace(1, 2, 4, dtype=dtype)
    return {"w": weights, "b": bias} if form == "dict" else [weights, bias]


def gradients(learner, seed):
    """New random gradients in the form of the parameters: a list if these have numbers."""
    rng = np.random.default_rng(seed)
    drawn = {
        name: rng.standard_normal(array.shape).astype(array.dtype)
        for name, array in learner.parameters.items()
    }
    return list(drawn.values()) if 0 in drawn else drawn


def train(learner, seeds):
    """An update for each seed, of as many samples as the seed and two more."""
    for seed in seeds:
        learner.update(gradients(learner, seed), minibatch_size=seed + 2)


def trained(backend, updates=2, **settings):
    """A learner after some updates."""
    learner = every_state(parameters("dict"), backend=backend, **settings)
    train(learner, range(updates))
    return learner


def descending(backend="cpu", **settings):
    """A learner of one zero; in float64, so that small whole multiples of 1/64 are exact."""
    return descent([np.zeros(1)], backend=backend, **settings)


def falls(learner, updates):
    """By how much an element with gradient 1 falls in each of the next updates."""
    (array,) = learner.parameters.values()
    fallen = []
    for _ in range(updates):
        before = float(array[0])
        learner.update([np.ones_like(array)])
        fallen.append(before - float(array[0]))
    return fallen


def contents(learner):
    """All that an update reads or writes, but for gradients, so that == compares it bitwise."""
    arrays = {("parameter", name): a.tobytes() for name, a in learner.parameters.items()}
    for name, states in learner.state.items():
        arrays |= {(state, name): array.tobytes() for state, array in states.items()}
    settings = [
        {name: group.setting(name) for name in group}
        for group in (learner.hyperparameters, *learner.groups)
    ]
    model = {name: np.float64(value).tobytes() for name, value in learner.model_state.items()}
    return arrays, model, learner.step_count, learner.samples, settings
