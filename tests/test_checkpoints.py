"""Checkpoints: training resumes bitwise; what cannot be loaded is refused and changes nothing."""

import copy
import os

import numpy as np
import pytest
import safetensors.numpy
from fixtures_runtime import BACKENDS, contents, every_state, gradients, parameters, train
from safetensors import safe_open

import learnerdsl as ld
from learnerdsl.learners import adam, amsgrad, lamb, momentum_sgd, rmsprop, sgd


@ld.rule
def with_option(p, g, lr=0.1, nesterov=False):
    """A rule of two variants."""
    v = ld.state("v")
    v_new = ld.assign(v, 0.9 * v + g)
    return ld.assign(p, p - lr * (g + 0.9 * v_new if nesterov else v_new))


@ld.rule
def loss_scale(p, g, lr=0.1):
    """A rule with scalar states only: they do not tell the shapes of the parameters."""
    scale = ld.state("scale", init=1.0, shape="tensor")
    scale_new = ld.assign(scale, scale / 2 + ld.max(g))
    return ld.assign(p, p - lr * g / scale_new)


def versioned_rule(version):
    """A rule that differs in its version alone."""

    @ld.rule(version=version)
    def versioned(p, g, lr=0.1):
        v = ld.state("v")
        return ld.assign(p, p - lr * ld.assign(v, v + g))

    return versioned


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


DESCRIBED = (
    "rule",
    "version",
    "options",
    "step_count",
    "samples",
    "seed",
    "hyperparameters",
    "model_state",
)


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


def test_a_number_stays_where_the_saved_value_was_a_schedule():
    first = every_state(parameters("dict"), lr=lambda step: step / 8)
    second = every_state(parameters("dict"), lr=0.75)
    second.load_state_dict(first.state_dict())
    assert second.hyperparameters["lr"] == 0.75


# Checkpoints of something else


def trained(
    rule=every_state, names=("w", "b"), shapes=((3, 4), (4,)), dtype=np.float32, **settings
):
    """A learner after two updates."""
    arrays = {name: np.ones(shape, dtype) for name, shape in zip(names, shapes, strict=True)}
    learner = rule(arrays, **settings)
    train(learner, range(2))
    return learner


MISMATCHES = {
    "another rule": (
        lambda: trained(adam),
        lambda: trained(),
        ("has rule 'adam'", "this learner 'every_state'", "of the rule that wrote it"),
    ),
    "another version": (
        lambda: trained(versioned_rule(1)),
        lambda: trained(versioned_rule(2)),
        ("has version 1", "this learner 2"),
    ),
    "another option": (
        lambda: trained(with_option),
        lambda: trained(with_option, nesterov=True),
        ("has options {'nesterov': False}", "this learner {'nesterov': True}"),
    ),
    "other names": (
        lambda: trained(),
        lambda: trained(names=("w", "bias")),
        ("parameters", "'bias'", "'b'"),
    ),
    "a parameter more": (
        lambda: trained(),
        lambda: trained(names=("w",), shapes=((3, 4),)),
        ("parameters", "'b'"),
    ),
    "a parameter less": (
        lambda: trained(names=("w",), shapes=((3, 4),)),
        lambda: trained(),
        ("parameters", "'b'"),
    ),
    "another shape": (
        lambda: trained(),
        lambda: trained(shapes=((3, 4), (5,))),
        ("'b'", "(4,)", "(5,)"),
    ),
    "another number of dimensions": (
        lambda: trained(),
        lambda: trained(shapes=((12,), (4,))),
        ("'w'", "(3, 4)", "(12,)"),
    ),
    "another dtype": (
        lambda: trained(),
        lambda: trained(dtype=np.float64),
        ("float32", "float64"),
    ),
    "another shape, with scalar states only": (
        lambda: trained(loss_scale),
        lambda: trained(loss_scale, shapes=((3, 4), (5,))),
        ("'b'", "(4,)", "(5,)"),
    ),
    "other names, without states": (
        lambda: trained(sgd),
        lambda: trained(sgd, names=("w", "bias")),
        ("parameters", "'bias'"),
    ),
    "another shape, without states": (
        lambda: trained(sgd),
        lambda: trained(sgd, shapes=((3, 4), (5,))),
        ("'b'", "(4,)", "(5,)"),
    ),
    "no groups": (
        lambda: trained(),
        lambda: trained(groups=[{"params": ["b"], "lr": 0.2}]),
        ("group",),
    ),
    "other groups": (
        lambda: trained(groups=[{"params": ["w"], "lr": 0.2}]),
        lambda: trained(groups=[{"params": ["b"], "lr": 0.3}]),
        ("group",),
    ),
}


@pytest.mark.parametrize("through", ["file", "dict"])
@pytest.mark.parametrize("case", MISMATCHES)
def test_a_checkpoint_of_something_else_is_refused(case, through, tmp_path):
    make, make_other, parts = MISMATCHES[case]
    learner = make_other()
    before = contents(learner)
    with pytest.raises(ld.CheckpointError) as caught:
        load(learner, make(), through, tmp_path / "learner")
    assert [part for part in parts if part not in str(caught.value)] == [], str(caught.value)
    assert contents(learner) == before


def load(learner, other, through, path):
    """Load what another learner saved."""
    if through == "dict":
        learner.load_state_dict(other.state_dict())
    else:
        other.save(path)
        learner.load(path)


@pytest.mark.parametrize("key", [*DESCRIBED, "state"])
def test_a_state_dict_without_a_key_is_refused(key):
    saved = trained().state_dict()
    del saved[key]
    learner = trained()
    with pytest.raises(ld.CheckpointError, match=f"lacks {key}"):
        learner.load_state_dict(saved)


def damaged(**changes):
    """A correct state dict with other values under some keys."""
    return trained().state_dict() | changes


def damaged_state(parameter, state, value):
    """A correct state dict with another value of one state."""
    saved = trained().state_dict()
    saved["state"][parameter][state] = value
    return saved


DAMAGED = {
    "nothing": lambda: None,
    "a list": lambda: [1, 2],
    "no step count": lambda: damaged(step_count=None),
    "step count in words": lambda: damaged(step_count="many"),
    "negative step count": lambda: damaged(step_count=-1),
    "half a step": lambda: damaged(step_count=1.5),
    "samples in words": lambda: damaged(samples="many"),
    "samples that are NaN": lambda: damaged(samples=np.nan),
    "a seed in words": lambda: damaged(seed="lucky"),
    "no hyperparameters": lambda: damaged(hyperparameters=None),
    "hyperparameters in words": lambda: damaged(hyperparameters=[{"lr": "fast", "keep": 0.9}]),
    "hyperparameters that are NaN": lambda: damaged(hyperparameters=[{"lr": np.nan, "keep": 0.9}]),
    "unknown hyperparameters": lambda: damaged(hyperparameters=[{"lr": 0.1, "rate": 0.9}]),
    "no state": lambda: damaged(state=None),
    "no state of a parameter": lambda: damaged(state={"w": None, "b": None}),
    "a state in words": lambda: damaged_state("w", "m", "many"),
    "a ragged state": lambda: damaged_state("w", "m", [[1.0], [2.0, 3.0]]),
    "an unknown state": lambda: damaged_state("w", "n", np.zeros((3, 4), np.float32)),
    "a vector for a scalar": lambda: damaged_state("w", "peak", np.zeros(3)),
    "no state of the model": lambda: damaged(model_state=None),
    "a state of the model in words": lambda: damaged(model_state={"energy": "much"}),
    "an array for the state of the model": lambda: damaged(model_state={"energy": np.zeros(2)}),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_state_dict_is_refused_and_changes_nothing(case, backend):
    learner = trained(backend=backend, lr=0.05)
    before = contents(learner)
    with pytest.raises(ld.CheckpointError):
        learner.load_state_dict(DAMAGED[case]())
    assert contents(learner) == before


# Files that are damaged


def assert_refused(path, *parts, error=ld.CheckpointError):
    """Assert that a learner refuses to load a file, and is as before."""
    learner = trained()
    before = contents(learner)
    with pytest.raises(error) as caught:
        learner.load(path)
    assert [part for part in parts if part not in str(caught.value)] == [], str(caught.value)
    assert contents(learner) == before


@pytest.mark.parametrize("kept", [0, 1, 8, 100, 0.5, 0.99, -1])
def test_a_truncated_file_is_refused(kept, tmp_path):
    path = tmp_path / "learner"
    trained().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    assert_refused(path, str(path), "is damaged or not a checkpoint of a learner")


@pytest.mark.parametrize(
    "content", [b"garbage" * 50, b"\xff" * 50, b"\0" * 50], ids=["a", "ff", "0"]
)
def test_a_file_of_garbage_is_refused(content, tmp_path):
    path = tmp_path / "learner"
    path.write_bytes(content)
    assert_refused(path, str(path), "is damaged or not a checkpoint of a learner")


@pytest.mark.parametrize(
    "description", [None, "garbage", "3", "[]", "{}", '{"rule": "every_state"}'], ids=str
)
def test_a_file_of_tensors_that_no_learner_wrote_is_refused(description, tmp_path):
    path = tmp_path / "learner"
    metadata = {} if description is None else {"learnerdsl": description}
    safetensors.numpy.save_file({"state/w/m": np.zeros((3, 4))}, path, metadata)
    assert_refused(path)


def test_a_file_with_an_array_for_the_state_of_the_model_is_refused(tmp_path):
    path = tmp_path / "learner"
    trained().save(path)
    with safe_open(path, framework="np") as file:
        tensors = {key: file.get_tensor(key) for key in list(file.keys())}
        metadata = file.metadata()
    safetensors.numpy.save_file(tensors | {"model/energy": np.zeros(3)}, path, metadata)
    assert_refused(path)


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "nowhere" / "learner"
    assert_refused(path, f"There is no checkpoint {path}", error=FileNotFoundError)


def test_a_directory_is_no_checkpoint(tmp_path):
    assert_refused(tmp_path, str(tmp_path))


def test_a_path_may_be_text(tmp_path):
    learner = trained()
    learner.save(str(tmp_path / "learner"))
    second = trained()
    second.load(str(tmp_path / "learner"))
    assert contents(second) == contents(learner)


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
