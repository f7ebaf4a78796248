"""Checkpoints that cannot be loaded: they are refused with a reason, and nothing changes."""

import numpy as np
import pytest
import safetensors.numpy
from safetensors import safe_open
from support.checkpoints import DESCRIBED, trained, with_option
from support.small_rules import BACKENDS, contents

import learnerdsl as ld
from learnerdsl.learners import adam, sgd


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


# Checkpoints of something else


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
        lambda: trained(dtype=np.float64),
        lambda: trained(),
        ("float32", "float64", 'save it with dtype="float32"'),
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
