"""Training continues here from checkpoints of timm, pytorch_optimizer and schedulefree."""

import json

import pytest
import torch
from support.foreign_checkpoints import (
    FILE,
    STEPS,
    parameters,
    recorded,
    state_dict,
    update,
)

import learnerdsl as ld
import learnerdsl.torch as ldt
from learnerdsl.torch.foreign import FOREIGN

RECORDED = json.loads(FILE.read_text())
BOUND = 1e-9


def check(name, found):
    """Load what another optimizer has saved, and go on as it does."""
    given = parameters(found["parameters"])
    optimizer = getattr(ldt, FOREIGN[name].name)(given)
    optimizer.load_state_dict(ldt.from_library(name, state_dict(found)))
    update(given, optimizer, STEPS)
    for p, before, expected in zip(given, found["parameters"], found["later"], strict=True):
        there, start = (torch.tensor(v, dtype=torch.float64) for v in (expected, before))
        assert (p.detach() - there).abs().max() <= BOUND * (there - start).abs().max()


def test_each_optimizer_is_recorded():
    assert RECORDED.keys() == FOREIGN.keys()


@pytest.mark.parametrize("name", FOREIGN)
def test_training_goes_on_as_there(name):
    check(name, RECORDED[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", FOREIGN)
def test_training_goes_on_as_in_the_library_that_is_installed(name):
    check(name, json.loads(json.dumps(recorded(name))))


def test_other_rules_of_the_same_name_are_refused():
    saved = state_dict(RECORDED["timm.Lion"])
    with pytest.raises(ld.UnknownNameError, match=r"No class corresponds to 'Lion'; there are: "):
        ldt.from_library("Lion", saved)
    cautious = {**saved, "param_groups": [{**saved["param_groups"][0], "caution": True}]}
    with pytest.raises(ld.CheckpointError, match="caution=True has no class here, only with caut"):
        ldt.from_library("timm.Lion", cautious)
    newer = {**saved, "param_groups": [{**saved["param_groups"][0], "extra": 1}]}
    with pytest.raises(ld.CheckpointError, match="unknown argument 'extra', which may matter"):
        ldt.from_library("timm.Lion", newer)
    other = {**saved, "state": {0: {"mean": torch.ones(2, 3)}}}
    with pytest.raises(ld.CheckpointError, match="unknown state 'mean'; known are: exp_avg"):
        ldt.from_library("timm.Lion", other)
    with pytest.raises(ld.CheckpointError, match="has 'state' and 'param_groups'"):
        ldt.from_library("timm.Lion", {})


def test_flags_of_weight_decay_do_not_matter_without_it():
    saved = state_dict(RECORDED["pytorch_optimizer.Lion"])
    group = {**saved["param_groups"][0], "weight_decouple": False}
    with pytest.raises(ld.CheckpointError, match="weight_decouple=False has no class here"):
        ldt.from_library("pytorch_optimizer.Lion", {**saved, "param_groups": [group]})
    group["weight_decay"] = 0.0
    ldt.from_library("pytorch_optimizer.Lion", {**saved, "param_groups": [group]})


def test_state_that_is_not_there_yet_begins_anew():
    saved = state_dict(RECORDED["timm.SGDW"])
    saved["state"][0]["momentum_buffer"] = None
    given = parameters()
    optimizer = ldt.SGDW(given)
    optimizer.load_state_dict(ldt.from_library("timm.SGDW", saved))
    assert not optimizer.state[given[0]]["b"].any()
    assert optimizer.state[given[1]]["b"].all()
