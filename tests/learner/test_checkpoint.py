"""Checkpoints: training resumes bitwise, and a file is written whole or not at all."""

import copy
import os

import numpy as np
import pytest
from safetensors import safe_open
from support.checkpoints import DESCRIBED, trained, with_option
from support.small_rules import BACKENDS, contents, every_state, gradients, parameters, train

import learnerdsl as ld
from learnerdsl.learners import adam, amsgrad, lamb, momentum_sgd, rmsprop, sgd


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


# Resuming

RULES = {rule.name: rule for rule in (adam, amsgrad, lamb, momentum_sgd, rmsprop, sgd, every_state)}
SCHEDULES = {"number": 0.05, "schedule": ld.schedules.cosine(0.05, steps=8)}


def resumed(rule, form, path, dtype=np.float32, **settings):
    """A learner after ten updates, five of them before a file was written and read."""
    first = rule(parameters(form, dtype), **settings)
    train(first, range(5))
    first.save(path)
    arrays = parameters(form, dtype)
    second = rule(arrays, **settings)
    for name, array in first.parameters.items():
        arrays[name][...] = array
    second.load(path)
    train(second, range(5, 10))
    return second


@pytest.mark.parametrize("lr", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("form", ["dict", "list"])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_training_resumes_bitwise(rule, form, lr, tmp_path):
    straight = rule(parameters(form), lr=lr)
    train(straight, range(10))
    assert contents(resumed(rule, form, tmp_path / "learner", lr=lr)) == contents(straight)


@pytest.mark.parametrize(
    "settings",
    [
        {"backend": "numpy"},
        {"dtype": np.float64},
        {"groups": [{"params": ["b"], "lr": 0.01}]},
        {"groups": [{"params": ["b"], "lr": ld.schedules.linear(0.1, 0.0, 8)}]},
        {"keep": lambda step: 1 - 1 / (step + 1)},
        {"nonfinite": "skip"},
    ],
    ids=["numpy", "float64", "groups", "schedule in a group", "function", "skip"],
)
def test_training_resumes_bitwise_with_other_settings(settings, tmp_path):
    dtype = settings.get("dtype", np.float32)
    settings = {name: value for name, value in settings.items() if name != "dtype"}
    straight = every_state(parameters("dict", dtype), **settings)
    train(straight, range(10))
    second = resumed(every_state, "dict", tmp_path / "learner", dtype, **settings)
    assert contents(second) == contents(straight)


def test_a_state_dict_resumes_bitwise_without_a_file(backend):
    straight = every_state(parameters("dict"), backend=backend)
    train(straight, range(3))
    second = every_state(
        {name: array.copy() for name, array in straight.parameters.items()}, backend=backend
    )
    second.load_state_dict(straight.state_dict())
    train(straight, range(3, 6))
    train(second, range(3, 6))
    assert contents(second) == contents(straight)


def test_a_state_dict_of_one_backend_loads_into_the_other():
    first = every_state(parameters("dict"), backend="numpy")
    train(first, range(3))
    second = every_state(dict(first.parameters), backend="cpu")
    second.load_state_dict(first.state_dict())
    assert contents(second) == contents(first)


def test_a_state_dict_is_a_copy():
    learner = every_state(parameters("dict"))
    train(learner, range(2))
    saved = learner.state_dict()
    kept = copy.deepcopy(saved)
    train(learner, range(2, 4))
    np.testing.assert_equal(saved, kept)


def test_loading_copies_so_that_the_state_dict_stays_as_it_was():
    learner = every_state(parameters("dict"))
    train(learner, range(2))
    saved = learner.state_dict()
    kept = copy.deepcopy(saved)
    second = every_state(parameters("dict"))
    second.load_state_dict(saved)
    train(second, range(2, 4))
    np.testing.assert_equal(saved, kept)


def test_loading_keeps_the_memory_of_the_states(backend):
    learner = every_state(parameters("dict"), backend=backend)
    view = learner.state["w"]["m"]
    other = every_state(parameters("dict"), backend=backend)
    train(other, range(2))
    learner.load_state_dict(other.state_dict())
    assert (view == other.state["w"]["m"]).all()


def test_a_state_dict_says_what_it_is_of():
    learner = with_option(parameters("dict"), nesterov=True, lr=0.25)
    learner.update(gradients(learner, 0), minibatch_size=7)
    saved = learner.state_dict()
    assert {key: saved[key] for key in DESCRIBED} == {
        "rule": "with_option",
        "version": 1,
        "options": {"nesterov": True},
        "step_count": 1,
        "samples": 7.0,
        "seed": 0,
        "hyperparameters": [{"lr": 0.25}],
        "model_state": {},
    }


@pytest.mark.parametrize(
    "names",
    [("a/b", "a"), ("", "é 世界"), (0, 5), (("layer", 1), 2)],
    ids=["slash", "empty", "n", "t"],
)
def test_parameters_may_have_any_names(names, tmp_path):
    def learner():
        return every_state(dict(zip(names, parameters("list"), strict=True)))

    first, second = learner(), learner()
    first.update(dict(zip(names, parameters("list"), strict=True)))
    first.save(tmp_path / "learner")
    second.load(tmp_path / "learner")
    assert contents(second)[1:] == contents(first)[1:]
    np.testing.assert_equal(second.state, first.state)


def test_names_that_a_file_cannot_tell_apart_do_not_save_a_file_that_cannot_be_loaded(tmp_path):
    first, second = (every_state({"0": np.ones(2), 0: np.ones(3)}) for _ in range(2))
    try:
        first.save(tmp_path / "learner")
    except ld.CheckpointError:
        return
    second.load(tmp_path / "learner")


def test_empty_and_0d_arrays_are_saved(tmp_path, backend):
    def learner():
        return every_state([np.zeros((0, 3)), np.array(1.0)], backend=backend)

    first, second = learner(), learner()
    train(first, range(2))
    first.save(tmp_path / "learner")
    second.load(tmp_path / "learner")
    np.testing.assert_equal(second.state, first.state)


def test_the_file_is_a_safetensors_file_with_readable_names(tmp_path):
    learner = every_state(parameters("dict"))
    train(learner, range(2))
    learner.save(tmp_path / "learner")
    with safe_open(tmp_path / "learner", framework="np") as file:
        assert {"state/w/m", "state/b/peak", "model/energy"} <= set(file.keys())
        np.testing.assert_array_equal(file.get_tensor("state/w/m"), learner.state["w"]["m"])


# Hyperparameters in checkpoints


def test_a_number_takes_its_saved_value():
    first = every_state(parameters("dict"), lr=0.25)
    second = every_state(parameters("dict"), lr=0.5)
    second.load_state_dict(first.state_dict())
    assert second.hyperparameters["lr"] == 0.25


def test_a_loaded_number_acts_on_the_next_update(backend):
    first = sgd(parameters("dict"), backend=backend, lr=0.25)
    second = sgd(parameters("dict"), backend=backend, lr=0.5)
    second.load_state_dict(first.state_dict())
    train(first, [0])
    train(second, [0])
    assert contents(second) == contents(first)


def test_a_schedule_goes_on_at_the_step_that_was_reached():
    first = every_state(parameters("dict"), lr=0.25)
    train(first, range(3))
    second = every_state(parameters("dict"), lr=lambda step: step / 8)
    second.load_state_dict(first.state_dict())
    assert second.hyperparameters["lr"] == 0.5


def test_a_schedule_that_was_saved_is_missing_where_there_is_a_number():
    first = every_state(parameters("dict"), lr=lambda step: step / 8)
    train(first, range(3))
    second = every_state(parameters("dict"), lr=0.75)
    before = contents(second)
    with pytest.raises(ld.CheckpointError) as caught:
        second.load_state_dict(first.state_dict())
    assert "saved with a schedule for 'lr', and this learner has none" in str(caught.value)
    assert "learner.hyperparameters['lr'] = ..." in str(caught.value)
    assert contents(second) == before


def test_a_schedule_that_was_saved_of_a_group_is_missing_where_the_group_has_none():
    groups = [{"params": ["b"], "lr": lambda step: step / 8}]
    first = every_state(parameters("dict"), groups=groups)
    second = every_state(parameters("dict"), groups=[{"params": ["b"]}], lr=lambda step: 0.5)
    with pytest.raises(ld.CheckpointError, match=r"learner\.groups\[0\]\['lr'\] = \.\.\."):
        second.load_state_dict(first.state_dict())
    second.groups[0]["lr"] = groups[0]["lr"]
    second.load_state_dict(
        first.state_dict() | {"hyperparameters": [{"lr": 0.1, "keep": 0.9}, {"lr": None}]}
    )
    assert second.groups[0]["lr"] == 0.125


def test_a_group_follows_the_base_again_where_it_did_when_it_was_saved():
    first = every_state(parameters("dict"), lr=0.25, groups=[{"params": ["b"], "keep": 0.5}])
    second = every_state(parameters("dict"), groups=[{"params": ["b"], "lr": 0.75}])
    second.load_state_dict(first.state_dict())
    assert dict(second.groups[0]) == {"lr": 0.25, "keep": 0.5}


# Writing


def test_saving_replaces_the_file(tmp_path):
    path = tmp_path / "learner"
    learner = trained()
    learner.save(path)
    train(learner, range(2, 4))
    learner.save(path)
    second = trained()
    second.load(path)
    assert second.step_count == 4


def test_saving_leaves_nothing_but_the_file(tmp_path):
    trained().save(tmp_path / "learner")
    assert [path.name for path in tmp_path.iterdir()] == ["learner"]


@pytest.mark.parametrize("failing", ["write", "rename"])
def test_a_write_that_fails_leaves_the_old_file(failing, tmp_path, monkeypatch):
    path = tmp_path / "learner"
    learner = trained()
    learner.save(path)
    old = path.read_bytes()

    def fail(*_, **__):
        msg = "No space left on device"
        raise OSError(28, msg)

    if failing == "write":
        real = os.fdopen

        def fdopen(*arguments, **keywords):
            file = real(*arguments, **keywords)
            file.close()
            fail()

        monkeypatch.setattr(os, "fdopen", fdopen)
    else:
        monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="No space left"):
        learner.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["learner"]


def test_saving_into_a_missing_directory_is_an_error_that_names_it(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        trained().save(tmp_path / "nowhere" / "learner")


def test_others_may_read_a_checkpoint_as_they_may_read_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    trained().save(tmp_path / "learner")
    modes = [(tmp_path / name).stat().st_mode for name in ("plain", "learner")]
    assert oct(modes[1]) == oct(modes[0])


def test_a_path_may_be_text(tmp_path):
    learner = trained()
    learner.save(str(tmp_path / "learner"))
    second = trained()
    second.load(str(tmp_path / "learner"))
    assert contents(second) == contents(learner)


def test_options_of_groups_are_those_of_the_checkpoint(tmp_path):
    def learner(nesterov):
        groups = [{"params": ["b"], "nesterov": nesterov}]
        return with_option(parameters("dict"), groups=groups)

    learner(True).save(tmp_path / "saved")
    learner(True).load(tmp_path / "saved")
    with pytest.raises(ld.CheckpointError, match=r"parameter 'b' has options \{'nesterov': True\}"):
        learner(False).load(tmp_path / "saved")
