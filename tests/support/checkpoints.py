"""What the tests of checkpoints share: rules, trained learners, and what loading may not change."""

import numpy as np
import pytest

import learnerdsl as ld
from support.small_rules import contents, every_state, parameters, train


@ld.rule
def with_option(p, g, lr=0.1, nesterov=False):
    """A rule of two variants."""
    v = ld.state("v")
    v_new = ld.assign(v, 0.9 * v + g)
    return ld.assign(p, p - lr * (g + 0.9 * v_new if nesterov else v_new))


DESCRIBED = (
    "rule",
    "version",
    "options",
    "step_count",
    "samples",
    "seed",
    "hyperparameters",
    "model_state",
)


def trained(
    rule=every_state, names=("w", "b"), shapes=((3, 4), (4,)), dtype=np.float32, **settings
):
    """A learner after two updates."""
    arrays = {name: np.ones(shape, dtype) for name, shape in zip(names, shapes, strict=True)}
    learner = rule(arrays, **settings)
    train(learner, range(2))
    return learner


@ld.rule
def restless(p, g, lr=0.1, keep=0.9, nesterov=False):
    """A state of every shape, an option and random numbers."""
    m, peak = ld.state("m"), ld.state("peak", init=1.0, shape="tensor")
    energy = ld.state("energy", shape="model")
    m_new = ld.assign(m, keep * m + g + 0.01 * ld.normal())
    peak_new = ld.assign(peak, ld.maximum(peak / 2, ld.max(ld.abs(g))))
    energy_new = ld.assign(energy, energy / 2 + ld.mean(g**2, over="model"))
    return ld.assign(p, p - lr * m_new / (peak_new + ld.sqrt(energy_new)))


def restless_learner(updates=2, backend="cpu", **settings):
    groups = [{"params": ["b"], "lr": 0.3}]
    learner = restless(parameters("dict"), backend=backend, seed=7, groups=groups, **settings)
    train(learner, range(updates))
    return learner


def everything(learner):
    """All that the next updates depend on, and the parameters."""
    return contents(learner), learner.state_dict()["seed"]


def assert_refused(learner, load):
    """Assert that loading raises a CheckpointError with a sentence, and changes nothing."""
    before = everything(learner)
    with pytest.raises(ld.CheckpointError) as caught:
        load()
    assert everything(learner) == before
    assert str(caught.value).endswith((".", ")"))
    assert len(str(caught.value).split()) > 5
