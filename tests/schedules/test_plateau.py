"""ReduceOnPlateau: that of torch, as a hyperparameter, and across checkpoints."""

import json
import math
import warnings

import numpy as np
import pytest
from support.small_rules import BACKENDS, descending

import learnerdsl as ld
from learnerdsl.schedules import ReduceOnPlateau


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def losses(seed, amount=200):
    """Falling at first, then noise, with a NaN; the sign of some is negative."""
    rng = np.random.default_rng(seed)
    drawn = 3 * np.exp(-np.arange(amount) / 15) + rng.normal(0, 0.3, amount)
    drawn[17] = math.nan
    return drawn


# Each with the names of torch
SETTINGS = [
    {},
    {"patience": 0, "factor": 0.9},
    {"patience": 3, "factor": 0.5, "cooldown": 4},
    {"patience": 2, "factor": 0.5, "threshold": 0.1, "threshold_mode": "abs"},
    {"patience": 2, "factor": 0.5, "mode": "max"},
    {"patience": 2, "factor": 0.5, "mode": "max", "threshold_mode": "abs", "cooldown": 1},
    {"patience": 1, "factor": 0.3, "min_lr": 0.01},
    {"patience": 0, "factor": 0.5, "eps": 0.05},
    {"patience": 1, "factor": 0.0},
]
OUR_NAMES = {"min_lr": "minimum", "eps": "smallest_change"}


@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_value_falls_on_a_plateau_as_in_torch(settings, seed):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **settings)
    ours = ReduceOnPlateau(0.4, **{OUR_NAMES.get(n, n): value for n, value in settings.items()})
    for step, loss in enumerate(losses(seed), 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            theirs.step(loss)
        ours.observe(loss)
        assert ours(step) == optimizer.param_groups[0]["lr"]


def test_it_is_a_hyperparameter(backend):
    rate = ReduceOnPlateau(0.5, factor=0.5, patience=0)
    learner = descending(backend, lr=rate)
    fallen = []
    (array,) = learner.parameters.values()
    for loss in [2.0, 1.0, 1.0, 0.5, 0.6]:
        before = float(array[0])
        learner.update([np.ones(1)])
        fallen.append(before - float(array[0]))
        rate.observe(loss)
    assert fallen == [0.5, 0.5, 0.5, 0.25, 0.25]
    assert learner.hyperparameters["lr"] == 0.125


@pytest.mark.parametrize("form", [float, np.float32, np.array], ids=lambda form: form.__name__)
def test_a_loss_is_a_number_of_any_kind(form):
    rate = ReduceOnPlateau(0.5, factor=0.5, patience=0)
    for loss in (1.0, 1.0):
        rate.observe(form(loss))
    assert rate.value == 0.25


def test_training_goes_on_with_its_state():
    seen = losses(0)
    first = ReduceOnPlateau(0.4, factor=0.5, patience=2, cooldown=3)
    for loss in seen[:60]:
        first.observe(loss)
    state = json.loads(json.dumps(first.state_dict()))
    second = ReduceOnPlateau(0.4, factor=0.5, patience=2, cooldown=3)
    second.load_state_dict(state)
    for loss in seen[60:]:
        first.observe(loss)
        second.observe(loss)
        assert first.state_dict() == second.state_dict()
    assert first.value < 0.4


@pytest.mark.parametrize(
    "state",
    [None, {}, {"value": 1.0}, {"value": "x", "best": 0.0, "bad": 0, "cooling": 0}],
    ids=["none", "empty", "a part", "text"],
)
def test_a_state_of_something_else_changes_nothing(state):
    rate = ReduceOnPlateau(0.4)
    rate.observe(1.0)
    before = rate.state_dict()
    with pytest.raises(ld.CheckpointError, match="The state of a ReduceOnPlateau"):
        rate.load_state_dict(state)
    assert rate.state_dict() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factor": 1.0}, "at least 0 and less than 1, got factor=1.0"),
        ({"factor": -0.5}, "at least 0 and less than 1, got factor=-0.5"),
        ({"factor": "0.1"}, "factor of a schedule must be a number"),
        (
            {"patience": -1},
            "patience of a schedule must be a whole number, 0 or more, got patience=-1",
        ),
        ({"patience": 1.5}, "whole number"),
        ({"cooldown": None}, "cooldown of a schedule must be a whole number"),
        ({"mode": "least"}, "mode of a schedule must be one of 'min', 'max', got 'least'"),
        ({"threshold_mode": 1}, "one of 'rel', 'abs', got 1"),
        ({"minimum": math.nan}, "minimum of a schedule must be a number that is not NaN, got nan"),
    ],
    ids=repr,
)
def test_a_plateau_of_bad_settings_is_refused(settings, message):
    with pytest.raises(ld.HyperparameterError) as caught:
        ReduceOnPlateau(0.1, **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize("loss", [None, "low", [1.0, 2.0]], ids=repr)
def test_what_is_no_loss_is_refused(loss):
    rate = ReduceOnPlateau(0.1)
    with pytest.raises(ld.HyperparameterError, match="A loss must be a number, got"):
        rate.observe(loss)
    assert rate.bad == 0


def test_it_shows_what_it_has_seen():
    rate = ReduceOnPlateau(0.1)
    rate.observe(2.0)
    assert repr(rate) == "ReduceOnPlateau(value=0.1, best=2.0, bad=0)"
