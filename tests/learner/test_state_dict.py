"""Damaged state dicts of every kind: refused, and nothing of the learner has changed."""

import numpy as np
import pytest
import torch
from support.checkpoints import assert_refused, everything, restless_learner
from support.small_rules import BACKENDS, train


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


COUNTS = {
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "NaN": float("nan"),
    "beyond floats": 10**400,
    "beyond text": 10**5000,
    "beyond exact floats": 2**53 + 1,
    "2**63": 2**63,
    "minus one": -1,
    "truth": True,
    "NumPy truth": np.bool_(True),
    "tensor of truth": torch.tensor(True),
    "text": "2",
    "complex": 2 + 0j,
    "none": None,
    "list": [2],
    "array with an axis": np.array([2]),
    "time": np.timedelta64(2, "s"),
    "dict": {},
}


@pytest.mark.parametrize("value", COUNTS.values(), ids=COUNTS)
@pytest.mark.parametrize("key", ["step_count", "seed"])
def test_a_count_that_is_none_is_refused(key, value, backend):
    learner = restless_learner(3, backend)
    saved = restless_learner().state_dict() | {key: value}
    assert_refused(learner, lambda: learner.load_state_dict(saved))


@pytest.mark.parametrize("case", sorted(COUNTS.keys() - {"beyond exact floats", "2**63"}))
def test_samples_that_are_no_number_are_refused(case):
    learner = restless_learner(3)
    saved = restless_learner().state_dict() | {"samples": COUNTS[case]}
    assert_refused(learner, lambda: learner.load_state_dict(saved))


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), 2**63, 1e300])
def test_samples_are_any_finite_number_from_zero(value):
    learner = restless_learner()
    learner.load_state_dict(learner.state_dict() | {"samples": value})
    assert learner.samples == float(value)


def test_a_seed_of_2_to_the_53_is_refused_and_a_step_count_is_not():
    learner = restless_learner()
    saved = learner.state_dict()
    assert_refused(learner, lambda: learner.load_state_dict(saved | {"seed": 2**53}))
    learner.load_state_dict(saved | {"step_count": 2**53})
    assert learner.step_count == 2**53


WHOLE = [np.int8, np.uint16, np.int64, np.uint64, np.array, torch.tensor]


@pytest.mark.parametrize("kind", WHOLE, ids=lambda kind: kind.__name__)
def test_a_count_may_be_of_any_type_of_whole_numbers(kind):
    learner = restless_learner()
    learner.load_state_dict(
        learner.state_dict() | {"step_count": kind(5), "samples": kind(6), "seed": kind(9)}
    )
    saved = learner.state_dict()
    assert [saved[key] for key in ("step_count", "samples", "seed")] == [5, 6.0, 9]


ONE = {"lr": 0.1, "keep": 0.9}
TWO = [ONE, {"lr": 0.3}]
W, B = ["w", [3, 4], "float32", 0], ["b", [4], "float32", 1]
DAMAGE = {
    "hyperparameters of numbers": {"hyperparameters": [3, 3]},
    "hyperparameters of names": {"hyperparameters": ["lr", "keep"]},
    "hyperparameters of pairs": {"hyperparameters": [[("lr", 1.0)], {}]},
    "hyperparameters without groups": {"hyperparameters": ONE},
    "no base": {"hyperparameters": [{}, {"lr": 0.3}]},
    "half a base": {"hyperparameters": [{"lr": 0.1}, {"lr": 0.3}]},
    "an unknown hyperparameter": {"hyperparameters": [ONE | {"x": 1}, {}]},
    "an unknown hyperparameter of a group": {"hyperparameters": [ONE, {"x": 1}]},
    "a number for a name": {"hyperparameters": [ONE, {3: 1}]},
    "a group less": {"hyperparameters": [ONE]},
    "a group more": {"hyperparameters": [*TWO, {}]},
    "a rate in words": {"hyperparameters": [ONE | {"lr": "fast"}, {}]},
    "a rate of truth": {"hyperparameters": [ONE | {"lr": True}, {}]},
    "a rate beyond floats": {"hyperparameters": [ONE | {"lr": 10**400}, {}]},
    "a function for a rate": {"hyperparameters": [ONE | {"lr": abs}, {}]},
    "a group with NaN": {"hyperparameters": [ONE, {"lr": float("nan")}]},
    "a list for a rate": {"hyperparameters": [ONE, {"lr": [1]}]},
    "a schedule": {"hyperparameters": [ONE | {"lr": None}, {}]},
    "no parameters": {"parameters": []},
    "a dict of parameters": {"parameters": {}},
    "parameters in words": {"parameters": "wb"},
    "a parameter less": {"parameters": [W]},
    "a parameter more": {"parameters": [W, B, B]},
    "a parameter twice": {"parameters": [W, W]},
    "only names": {"parameters": [["w"], ["b"]]},
    "no descriptions": {"parameters": [None, None]},
    "a number for a shape": {"parameters": [["w", 3, "float32", 0], B]},
    "a long description": {"parameters": [[*W, 9], B]},
    "a list for a name": {"parameters": [[["w"], [3, 4], "float32", 0], B]},
    "another dtype": {"parameters": [["w", [3, 4], "float64", 0], B]},
    "no group": {"parameters": [["w", [3, 4], "float32", None], B]},
    "a group of truth": {"parameters": [W, ["b", [4], "float32", True]]},
    "a group that there is not": {"parameters": [W, ["b", [4], "float32", 2]]},
    "a negative group": {"parameters": [W, ["b", [4], "float32", -1]]},
    "all in one group": {"parameters": [W, ["b", [4], "float32", 0]]},
    "groups exchanged": {
        "parameters": [["w", [3, 4], "float32", 1], ["b", [4], "float32", 0]],
    },
    "an array for the rule": {"rule": np.array(["restless", "restless"])},
    "no version": {"version": None},
    "a list for the options": {"options": ["nesterov"]},
    "an array for an option": {"options": {"nesterov": np.zeros(3)}},
    "another option": {"options": {"nesterov": False, "x": 1}},
    "a state of the model beyond floats": {"model_state": {"energy": 10**400}},
    "a state of the model of truth": {"model_state": {"energy": True}},
    "a state of the model in words": {"model_state": {"energy": "high"}},
    "a complex state of the model": {"model_state": {"energy": 1j}},
    "a list for the states of the model": {"model_state": [1.0]},
    "too few missed updates": {"missed": [1]},
    "more missed updates than updates": {"missed": [0, 10]},
    "negative missed updates": {"missed": [0, -1]},
    "missed updates in words": {"missed": "wb"},
    "a number of missed updates": {"missed": 3},
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_state_dict_changes_nothing(case, backend):
    learner = restless_learner(3, backend)
    saved = restless_learner().state_dict() | DAMAGE[case]
    assert_refused(learner, lambda: learner.load_state_dict(saved))


M = np.zeros((3, 4), np.float32)
DAMAGED_STATES = {
    "another dtype": M.astype(np.float64),
    "another byte order": M.astype(">f4"),
    "another shape": M.T,
    "an axis more": M[None],
    "objects": M.astype(object),
    "a masked array": np.ma.masked_array(M),
    "a tensor of bfloat16": torch.zeros(3, 4, dtype=torch.bfloat16),
    "a tensor with a gradient": torch.zeros(3, 4, requires_grad=True),
    "a number": 0.0,
    "a dict": {},
}


@pytest.mark.parametrize("value", DAMAGED_STATES.values(), ids=DAMAGED_STATES)
def test_a_state_that_is_another_array_changes_nothing(value, backend):
    learner = restless_learner(3, backend)
    saved = restless_learner().state_dict()
    saved["state"]["w"]["m"] = value
    assert_refused(learner, lambda: learner.load_state_dict(saved))


def test_a_state_may_be_a_tensor_of_torch():
    learner, first = restless_learner(3), restless_learner()
    saved = first.state_dict()
    saved["state"]["w"]["m"] = torch.tensor(saved["state"]["w"]["m"])
    learner.load_state_dict(saved)
    np.testing.assert_array_equal(learner.state["w"]["m"], first.state["w"]["m"])


class Hostile(dict):
    """A state dict that raises when it is read."""

    def __getitem__(self, key):
        msg = "no"
        raise RuntimeError(msg)


def test_a_state_dict_that_cannot_be_read_changes_nothing():
    learner = restless_learner(3)
    saved = Hostile(learner.state_dict())
    assert_refused(learner, lambda: learner.load_state_dict(saved))


@pytest.mark.parametrize("method", ["write_states", "set_seed", "set_hyperparameter", "set_clock"])
def test_what_interrupts_loading_undoes_it(method, backend, monkeypatch):
    learner = restless_learner(3, backend)
    before = everything(learner)
    real, calls = getattr(type(learner._engine), method), []

    def interrupted(*arguments):
        calls.append(arguments)
        real(learner._engine, *arguments)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(learner._engine, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        learner.load_state_dict(restless_learner().state_dict() | {"seed": 11})
    assert everything(learner) == before
    monkeypatch.undo()
    expected = restless_learner(3, backend)
    train(learner, [5])
    train(expected, [5])
    assert everything(learner) == everything(expected)


# State dicts of the first version, which lacked what newer ones have


def first_version(learner):
    """A state dict with the keys of the first version."""
    keys = [
        "rule",
        "version",
        "options",
        "step_count",
        "samples",
        "seed",
        "parameters",
        "hyperparameters",
    ]
    saved = learner.state_dict()
    return {key: saved[key] for key in (*keys, "state", "model_state")}


def test_a_state_dict_of_the_first_version_loads():
    first, second = restless_learner(), restless_learner(0)
    second.load_state_dict(first_version(first))
    np.testing.assert_equal(second.state_dict(), first.state_dict())


def test_a_learner_that_has_diverged_can_be_saved_and_loaded():
    learner = restless_learner()
    gradients = {n: np.full(p.shape, np.nan, p.dtype) for n, p in learner.parameters.items()}
    learner.update(gradients)
    saved = learner.state_dict()
    assert np.isnan(saved["model_state"]["energy"])
    again = restless_learner()
    again.load_state_dict(saved)
    assert np.isnan(again.model_state["energy"])
