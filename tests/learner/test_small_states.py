"""Numbers that are small beside their neighbours: states in 8 bits, and parameters set to 0."""

import numpy as np
import pytest
from support.precisions import BFLOAT16

from learnerdsl.learners import adamw, prodigy, sgd

BACKENDS = ("cpu", "numpy")
EIGHT = {"m": "int8", "v": "uint8"}


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_step_explodes_where_gradients_of_a_block_differ_by_much(rounding, backend):
    rng = np.random.default_rng(0)
    scales = np.exp(2 * rng.standard_normal(2560))
    weights = np.zeros(2560, np.float32)
    learner = adamw([weights], lr=1.0, states=EIGHT, rounding=rounding, backend=backend)
    for _ in range(30):
        before = weights.copy()
        learner.update([(scales * rng.standard_normal(2560)).astype(np.float32)])
        assert np.abs(weights - before).max() < 4


def test_prodigy_can_have_its_squares_without_a_sign():
    learner = prodigy([np.ones(3, np.float32)], states=EIGHT)
    assert learner.update([np.ones(3, np.float32)])


@pytest.mark.parametrize("master", ["split16", "split8", "kahan"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_parameters_that_a_mask_sets_to_0_stay_near_it(master, backend):
    weights = np.linspace(-1, 1, 300).astype(BFLOAT16)
    learner = sgd([weights], lr=1e-3, master=master, backend=backend)
    learner.update([np.ones(300, BFLOAT16)])
    weights[:] = 0
    learner.update([np.zeros(300, BFLOAT16)])
    assert np.abs(weights.astype(np.float32)).max() < 0.004
