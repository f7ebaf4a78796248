"""The transformation of every builtin follows the oracle: jitted, and traced once."""

import jax
import numpy as np
import pytest
from support.tiers import few_of_shared
from support.traced import Run

from learnerdsl import learners

QUICK = {
    *("adam", "lamb", "prodigy", "adafactor", "sm3", "adashift"),
    *("muon", "soap", "noisy_sgd", "momo", "sophia", "schedule_free_adamw"),
}
QUICK_IN_FLOAT32 = {"adam", "lamb", "prodigy", "adafactor"}
FLOAT32 = 3.0
"""Times the error of the oracle in float32, which the order of a few sums may exceed."""


@pytest.mark.parametrize("name", few_of_shared(learners.__all__, QUICK))
def test_float64_follows_the_oracle(name):
    run = Run(getattr(learners, name), np.float64)
    with jax.enable_x64(True):
        path, traces = run.path()
    assert traces == 1
    assert run.error(path, run.oracle(np.float64), rounding=2) <= 1e-12


@pytest.mark.parametrize("name", few_of_shared(learners.__all__, QUICK_IN_FLOAT32))
def test_float32_is_as_near_as_the_oracle_in_float32(name):
    run = Run(getattr(learners, name), np.float32)
    path, traces = run.path()
    assert traces == 1
    exact = run.oracle(np.float64)
    own = run.error(run.oracle(np.float32), exact, rounding=0)
    assert run.error(path, exact, rounding=2) <= FLOAT32 * own
