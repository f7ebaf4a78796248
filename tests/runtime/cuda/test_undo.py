"""Updates on a device that are taken back."""

import numpy as np
import pytest
from support.ptx_device import device
from support.small_rules import gradients, parameters
from support.tiers import slow

import learnerdsl as ld
from learnerdsl.learners import adamw, lion, momentum_sgd
from learnerdsl.runtime.arrays.interop import copy_to_host
from learnerdsl.transforms import clip_by_global_norm

__all__ = ["device"]


def on(device, arrays):
    return {name: device.array(a) for name, a in arrays.items()}


def seen(learner):
    """Parameters and states by name, on the host."""
    found = {n: copy_to_host(p) for n, p in learner.parameters.items()}
    states = {(n, s): copy_to_host(a) for n, own in learner.state.items() for s, a in own.items()}
    return {**found, **states}


CLIPPED = ld.chain(clip_by_global_norm, adamw)


@pytest.mark.parametrize("rule", [adamw, slow(lion), slow(momentum_sgd), slow(CLIPPED)], ids=str)
def test_an_update_on_a_device_is_taken_back(rule, device):
    learner = rule(on(device, parameters("dict")))
    drawn = [on(device, gradients(learner, seed)) for seed in range(3)]
    for given in drawn[:2]:
        learner.update(given)
    before = {name: array.copy() for name, array in seen(learner).items()}
    learner.update(drawn[2])
    moved = seen(learner)
    learner.undo(drawn[2])
    assert learner.step_count == 2
    for name, array in seen(learner).items():
        assert np.abs(moved[name] - before[name]).max() > 0
        np.testing.assert_allclose(array, before[name], rtol=1e-5, atol=1e-6)
