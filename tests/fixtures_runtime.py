"""What the tests of the runtime share: a rule with every kind of state, and ways to look inside."""

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
