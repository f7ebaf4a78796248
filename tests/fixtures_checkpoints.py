"""What the tests of checkpoints share: a rule of two variants, trained learners, and the keys."""

import numpy as np
from fixtures_runtime import every_state, train

import learnerdsl as ld


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
