"""Checkpoints of parameters in another order, of groups in another order, and with the values."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from support.checkpoints import assert_refused, everything, restless, restless_learner, trained
from support.small_rules import contents, every_state, parameters, train

import learnerdsl as ld
from learnerdsl.learners import adam

SHAPES = {"w": (3, 4), "b": (4,), "c": (3, 4), "d": (2,)}
GROUPS = {"b": {"lr": 0.3}, "c": {"lr": 0.2, "beta1": 0.5}}


def ordered(names, groups=(), **settings):
    """A learner of these parameters in this order, with these groups of one parameter."""
    arrays = {name: np.linspace(0.5, 1, int(np.prod(SHAPES[name]))) for name in names}
    arrays = {name: array.reshape(SHAPES[name]) for name, array in arrays.items()}
    return adam(arrays, groups=[{"params": [n], **GROUPS[n]} for n in groups], **settings)


def gradients_for(learner, seed):
    drawn = {name: np.random.default_rng([seed, *name.encode()]) for name in learner.parameters}
    return {n: drawn[n].standard_normal(a.shape) for n, a in learner.parameters.items()}


def assert_same(one, other):
    for name, array in one.parameters.items():
        np.testing.assert_array_equal(array, other.parameters[name])
        np.testing.assert_equal(dict(one.state[name]), dict(other.state[name]))


@pytest.mark.parametrize("through", ["dict", "file"])
@pytest.mark.parametrize("order", ["bwcd", "dcbw", "wbcd"])
@pytest.mark.parametrize("groups", ["bc", "cb"])
def test_parameters_of_a_dict_are_known_by_their_names(through, order, groups, tmp_path):
    first, second = ordered("wbcd", "bc", lr=0.05), ordered(order, groups)
    for seed in range(3):
        first.update(gradients_for(first, seed))
    if through == "file":
        first.save(tmp_path / "learner", parameters=True)
        second.load(tmp_path / "learner", parameters=True)
    else:
        second.load_state_dict(first.state_dict())
        for name, array in first.parameters.items():
            second.parameters[name][...] = array
    assert_same(first, second)
    for name, own in zip(groups, second.groups, strict=True):
        assert own["lr"] == GROUPS[name]["lr"]
        assert own["beta1"] == GROUPS[name].get("beta1", 0.9)
        assert own["beta2"] == 0.999
    for seed in range(3, 6):
        first.update(gradients_for(first, seed))
        second.update(gradients_for(second, seed))
    assert_same(first, second)


def test_updates_that_parameters_missed_are_known_by_names(monkeypatch):
    first, second = ordered("wbcd"), ordered("dbcw")
    for learner in (first, second):
        monkeypatch.setattr(learner._engine, "missed_steps", [0, 0, 0, 0], raising=False)
    assert "missed" not in first.state_dict()
    first._engine.missed_steps = [1, 0, 0, 4]
    saved = first.state_dict() | {"step_count": 4}
    assert saved["missed"] == [1, 0, 0, 4]
    second.load_state_dict(saved)
    assert second._engine.missed_steps == [4, 0, 0, 1]
    second.load_state_dict(ordered("wbcd").state_dict())
    assert second._engine.missed_steps == [0, 0, 0, 0]


def test_groups_without_parameters_keep_their_order():
    groups = [{"params": [], "lr": 0.2}, {"params": ["b"], "lr": 0.3}, {"params": [], "lr": 0.4}]
    first = every_state(parameters("dict"), groups=groups)
    second = every_state(
        parameters("dict"), groups=[{"params": ["b"]}, {"params": []}, {"params": []}]
    )
    second.load_state_dict(first.state_dict())
    assert [group["lr"] for group in second.groups] == [0.3, 0.2, 0.4]


@pytest.mark.parametrize(
    "groups",
    [[["w", "b"], []], [["w"], ["b"]], [["b"], ["w"]]],
    ids=["together", "apart", "exchanged"],
)
def test_parameters_that_are_grouped_otherwise_are_refused(groups):
    learner = every_state(
        parameters("dict"), groups=[{"params": names, "lr": 0.1} for names in groups]
    )
    first = every_state(parameters("dict"), groups=[{"params": ["w"]}, {"params": []}])
    assert_refused(learner, lambda: learner.load_state_dict(first.state_dict()))


def test_parameters_of_a_list_are_known_by_their_places():
    first = every_state([np.ones(3), np.ones(4)])
    second = every_state([np.ones(4), np.ones(3)])
    assert_refused(second, lambda: second.load_state_dict(first.state_dict()))


def test_names_that_read_the_same_are_known_by_their_places():
    def learner():
        return every_state({"0": np.ones(2), 0: np.ones(3)})

    first, second = learner(), learner()
    first.update({"0": np.ones(2), 0: np.full(3, 2.0)})
    second.load_state_dict(first.state_dict())
    np.testing.assert_equal(second.state_dict(), first.state_dict())


# Values of parameters in the file


@pytest.mark.parametrize("form", ["dict", "list"])
def test_a_file_with_the_parameters_restores_everything(form, tmp_path):
    first, second = every_state(parameters(form)), every_state(parameters(form))
    train(first, range(3))
    arrays = dict(second.parameters)
    first.save(tmp_path / "learner", parameters=True)
    second.load(tmp_path / "learner", parameters=True)
    assert contents(second) == contents(first)
    assert all(second.parameters[name] is array for name, array in arrays.items())
    train(first, range(3, 6))
    train(second, range(3, 6))
    assert contents(second) == contents(first)


def test_parameters_stay_where_they_are_not_asked_for(tmp_path):
    first, second = restless_learner(), restless_learner(3)
    first.save(tmp_path / "learner", parameters=True)
    before = {name: array.copy() for name, array in second.parameters.items()}
    second.load(tmp_path / "learner")
    np.testing.assert_equal(dict(second.parameters), before)
    np.testing.assert_equal(second.state_dict(), first.state_dict())


def test_a_file_without_the_parameters_says_how_to_write_them(tmp_path):
    learner = restless_learner()
    learner.save(tmp_path / "learner")
    before = everything(learner)
    with pytest.raises(ld.CheckpointError, match=r"save\(path, parameters=True\)"):
        learner.load(tmp_path / "learner", parameters=True)
    assert everything(learner) == before


@pytest.mark.parametrize("value", [None, 1, "yes", np.zeros(2), {}], ids=repr)
@pytest.mark.parametrize("action", ["save", "load"])
def test_whether_parameters_are_in_a_file_is_true_or_false(action, value, tmp_path):
    learner = restless_learner()
    assert_refused(learner, lambda: getattr(learner, action)(tmp_path / "x", parameters=value))
    assert list(tmp_path.iterdir()) == []


def test_another_program_can_read_the_file(tmp_path):
    learner = restless_learner(lr=0.25)
    learner.save(tmp_path / "learner", parameters=True)
    with safe_open(tmp_path / "learner", framework="np") as file:
        tensors = {key: file.get_tensor(key) for key in list(file.keys())}
        description = json.loads(file.metadata()["learnerdsl"])
    assert sorted(tensors) == [
        "model/energy",
        *(f"parameter/{name}" for name in "bw"),
        *(f"state/{name}/{state}" for name in "bw" for state in ("m", "peak")),
    ]
    np.testing.assert_array_equal(tensors["parameter/w"], learner.parameters["w"])
    np.testing.assert_array_equal(tensors["state/w/m"], learner.state["w"]["m"])
    assert float(tensors["model/energy"]) == learner.model_state["energy"]
    assert description == {
        "rule": "restless",
        "version": 1,
        "options": {"nesterov": False},
        "step_count": 2,
        "samples": 5.0,
        "seed": 7,
        "parameters": [["w", [3, 4], "float32", 0], ["b", [4], "float32", 1]],
        "hyperparameters": [{"lr": 0.25, "keep": 0.9}, {"lr": 0.3}],
        "group_options": [{"nesterov": False}, {"nesterov": False}],
    }


def test_a_name_that_no_file_can_hold_is_refused_and_leaves_the_file(tmp_path):
    path = tmp_path / "learner"
    trained().save(path)
    before = path.read_bytes()
    with pytest.raises(ld.CheckpointError, match="cannot be stored in a file"):
        restless({"\ud800": np.ones(2)}).save(path)
    assert path.read_bytes() == before
