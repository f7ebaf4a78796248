"""Every builtin as PTX, run on the CPU: against the oracle, with bounds and races checked."""

import functools

import numpy as np
import pytest
from support.battery import BUILTINS, TOLERANCE, assert_close
from support.families import ROUNDING
from support.following import STEPS, assert_same_states, run_both
from support.ptx_device import FUNCTIONS_OF_MATRICES, PtxDevice, device, use
from support.tiers import FEW, costly, in_float32_alone, slow

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.runtime.arrays.interop import copy_to_host
from learnerdsl.transforms import clip_by_global_norm

__all__ = ["device"]

ORDERED = ("lamb", "came", "lars", "adam_mini")
RULES = [name for name in BUILTINS if name not in FUNCTIONS_OF_MATRICES]


@pytest.mark.parametrize(("name", "dtype"), in_float32_alone(RULES, quick=FEW))
def test_compiled_rule_follows_the_oracle(name, dtype, device):
    start, found, expected, learner, oracle = run_both(name, dtype, device.array)
    factor = ROUNDING.get(name, (1, ""))[0]
    assert_close(start, found, expected, factor * TOLERANCE[dtype])
    # States have no movement to compare with: what is left of a difference may be all of one.
    assert_same_states(learner, oracle, 20 * factor * TOLERANCE[dtype])
    assert learner.step_count == STEPS
    assert learner.samples == 3 * STEPS


def test_several_rules_in_one_learner_follow_the_oracle(device):
    of_vectors, of_others = (
        ld.chain(clip_by_global_norm, rule, name=f"clipped_{rule.name}")
        for rule in (learners.adamw, learners.lamb)
    )
    mixed = ld.by_parameter(lambda name, shape: of_others if len(shape) > 1 else of_vectors)
    rng = np.random.default_rng(5)
    start = [rng.standard_normal(shape).astype(np.float32) for shape in ((7, 5), (257,), (70, 61))]
    gradients = [[rng.standard_normal(p.shape).astype(np.float32) for p in start] for _ in "123"]
    ends = []
    for place, arguments in ((device.array, {}), (np.copy, {"backend": "numpy"})):
        params = [place(p) for p in start]
        learner = mixed(params, max_norm=2.0, clipped_lamb={"lr": 0.1}, lr=0.01, **arguments)
        for given in gradients:
            learner.update([place(g) for g in given])
        ends.append(([copy_to_host(p) for p in params], learner))
    (found, learner), (expected, oracle) = ends
    assert_close(start, [found], [expected], TOLERANCE["float32"])
    assert_same_states(learner, oracle, 20 * TOLERANCE["float32"])


@pytest.mark.parametrize("name", ["adafactor", *map(costly, ["adam", "lamb", "came", "sm3"])])
def test_blocks_of_256_threads_follow_the_oracle_on_narrow_and_wide_tensors(name, monkeypatch):
    device = use(PtxDevice(threads=256), monkeypatch)
    shapes = ((130, 129), (70, 3), (4, 6, 3, 3), (5_000,))
    start, found, expected, learner, oracle = run_both(name, "float32", device.array, shapes)
    assert_close(start, found, expected, 2 * TOLERANCE["float32"])
    assert_same_states(learner, oracle, 40 * TOLERANCE["float32"])


@pytest.mark.parametrize("name", ["adam", slow("adafactor"), costly("lamb"), costly("novograd")])
def test_arrays_that_are_not_aligned_to_16_bytes_give_the_same(name, monkeypatch):
    ends = []
    for offset in (0, 4):
        device = use(PtxDevice(), monkeypatch)
        place = functools.partial(device.array, offset=offset)
        ends.append(run_both(name, "float32", place)[1][-1])
    for aligned, shifted in zip(*ends, strict=True):
        # Which thread adds what to a sum differs, so its last digit may.
        np.testing.assert_allclose(shifted, aligned, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["prodigy", slow("adafactor"), *map(costly, ORDERED)])
def test_the_order_in_which_blocks_run_does_not_change_a_bit(name, monkeypatch):
    ends = []
    for backwards in (False, True):
        device = use(PtxDevice(backwards=backwards), monkeypatch)
        _, found, _, learner, _ = run_both(name, "float32", device.array)
        states = learner.state_dict()["state"]
        arrays = [*found[-1], *(a for own in states.values() for a in own.values())]
        ends.append([array.tobytes() for array in arrays])
    assert ends[0] == ends[1]


OBSERVED = ["grad_norm", "update_norm", "param_norm", "update_ratio", "nonfinite"]


@pytest.mark.parametrize("name", ["adam", slow("adafactor"), costly("lamb"), costly("tam")])
def test_what_is_observed_follows_the_oracle(name, device):
    *_, learner, oracle = run_both(name, "float64", device.array, observe=OBSERVED)
    assert dict(learner.observed) == pytest.approx(dict(oracle.observed), rel=1e-9)
    assert learner.observed.step == STEPS
    assert learner.history.steps.size == 0  # reading would wait for the device
    for observer, own in oracle.observed_by_parameter.items():
        found = learner.observed_by_parameter[observer]
        assert found == pytest.approx(own, rel=1e-9, nan_ok=True)


def test_a_skipped_update_on_a_device_says_so(device):
    learner = learners.adam([device.array(np.ones(5))], observe=OBSERVED, nonfinite="skip")
    learner.history.keep = 10
    for value in (1.0, np.nan, 2.0):
        learner.update([device.array(np.full(5, value))])
        assert learner.observed.skipped == np.isnan(value)
    assert learner.history.skipped.tolist() == [False, True, False]
    assert learner.history["nonfinite"].tolist() == [0.0, 5.0, 0.0]
    assert learner.history["grad_norm"][2] == pytest.approx(2 * 5**0.5)
