"""Checkpoints and states of learners with narrow arrays, in Numba's CUDA simulator."""

import numpy as np
import pytest
from numba import cuda
from support.number_types import BFLOAT16, CODES, arrays, everything

from learnerdsl.learners import adamw

CHOICES = [
    {},
    {"states": "bfloat16", "master": "split16", "rounding": "stochastic"},
    {"states": CODES, "master": "kahan"},
]


def on_device(rounding_seed=0, **settings):
    """A learner of bfloat16 parameters in the memory of the simulated device."""
    params = {name: cuda.to_device(array) for name, array in arrays("bfloat16").items()}
    return adamw(params, lr=0.01, seed=rounding_seed, **settings)


def update(learner, seed):
    """One update with gradients of bfloat16."""
    rng = np.random.default_rng(seed)
    drawn = {n: rng.standard_normal(a.shape).astype(BFLOAT16) for n, a in arrays("float32").items()}
    learner.update({name: cuda.to_device(array) for name, array in drawn.items()})


@pytest.mark.parametrize("settings", CHOICES, ids=str)
def test_training_resumes_bitwise(settings, tmp_path):
    first, second = on_device(3, **settings), on_device(**settings)
    for seed in range(2):
        update(first, seed)
    first.save(tmp_path / "learner", parameters=True)
    second.load(tmp_path / "learner", parameters=True)
    for learner in (first, second):
        update(learner, 2)
    assert everything(second) == everything(first)


@pytest.mark.parametrize("settings", CHOICES, ids=str)
def test_assigning_a_state_leaves_the_others_as_they_are(settings):
    learner = on_device(**settings)
    update(learner, 0)
    before = learner.state_dict()["state"]["w"]
    learner.state["w"]["m"] = np.ones((20, 15))
    after = learner.state_dict()["state"]["w"]
    changed = {key for key, array in after.items() if array.tobytes() != before[key].tobytes()}
    assert changed == {key for key in after if key.partition(".")[0] == "m"}


@pytest.mark.parametrize("settings", CHOICES, ids=str)
def test_float32_values_go_to_the_host_and_back(settings):
    learner, again = on_device(**settings), on_device(**settings)
    update(learner, 0)
    host = adamw(arrays("float32"), backend="numpy")
    host.load_state_dict(learner.state_dict(dtype="float32"), parameters=True)
    again.load_state_dict(host.state_dict(parameters=True), parameters=True)
    for name, wanted in host.master_parameters().items():
        np.testing.assert_allclose(again.master_parameters()[name], wanted, rtol=2.0**-14)
    again.adopt_parameters()
    for name, array in again.parameters.items():
        shown = array.copy_to_host().astype(np.float32)
        np.testing.assert_array_equal(again.master_parameters()[name], shown)
