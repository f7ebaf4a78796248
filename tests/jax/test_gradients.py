"""Derivatives of a loss after twelve jitted updates by hyperparameters, by differences as well."""

import jax
import numpy as np
import pytest
from support.meta import Training
from support.tiers import slow

from learnerdsl import learners

QUICK = ("adam", "schedule_free_radam")
# Those in which a choice leaves out what has no derivative, and one of each other structure.
SLOW = (
    *("dadapt_adagrad", "dadapt_adan", "dadapt_sgd", "prodigy_official", "adashift", "ranger"),
    *("lamb", "adafactor", "muon", "sm3"),
)


@pytest.mark.parametrize("name", [*QUICK, *map(slow, SLOW)])
def test_gradient_of_a_loss_by_hyperparameters(name):
    with jax.enable_x64(True):
        training = Training(getattr(learners, name))
        found = np.asarray(jax.jit(jax.grad(training))(training.values))
        expected = training.differences()
        loss = float(training(training.values))
    assert np.isfinite(found).all()
    # Differences of losses lose the digits that the losses share.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8 * max(loss, 1))
