"""Every builtin rule in chains: held back or not, it is the same rule."""

import numpy as np
import pytest
from support.problems import ARRAY_EXTRAS, SCALAR_EXTRAS, fitted
from support.tiers import REPRESENTATIVES, few_of_shared

import learnerdsl as ld
from learnerdsl import learners, transforms

RINGS = {"adashift", "lbfgs"}
"""Rules that keep rings of past values, which cannot be held back."""
accumulate = ld.renamed(transforms.accumulate, k="micro_steps")
ema = ld.renamed(transforms.ema, average="ema_average", decay="ema_decay")


def followed(rule, name, **options):
    """The parameters after some updates, of shapes that the learner called `name` takes."""
    rng = np.random.default_rng(1)
    shapes = fitted(name, {"w": (4, 3), "b": (3,)}).values()
    params = [rng.standard_normal(shape) for shape in shapes]
    learner = rule(params, backend="numpy", **options)
    extras = dict.fromkeys(SCALAR_EXTRAS, 1.5)
    extras |= {name: [np.ones(p.shape) for p in params] for name in ARRAY_EXTRAS}
    for _ in range(3):
        gradients = [rng.standard_normal(p.shape) for p in params]
        learner.update(gradients, **{name: extras[name] for name in learner.extras})
    return params


@pytest.mark.parametrize(
    "name", few_of_shared(sorted(set(learners.__all__) - RINGS), REPRESENTATIVES)
)
def test_a_rule_that_is_always_let_through_is_itself(name):
    rule = getattr(learners, name)
    chain = ld.chain(transforms.zero_nans, accumulate, rule, ema)
    for got, wanted in zip(followed(chain, name, micro_steps=1), followed(rule, name), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10)
