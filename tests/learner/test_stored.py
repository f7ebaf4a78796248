"""Number types of a learner's arrays: checkpoints in each, states, master weights."""

import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open
from support.number_types import (
    CHOICES,
    CODES,
    MASTERS,
    STATES,
    TYPES,
    arrays,
    everything,
    fits,
    learner_of,
)
from support.small_rules import BACKENDS, train

import learnerdsl as ld
from learnerdsl.learners import adamw


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


# Resuming


EVERY = [
    (kind, states, master, rounding)
    for kind in ("float32", "bfloat16", "float16")
    for states in STATES
    for master in MASTERS
    for rounding in ("nearest", "stochastic")
    if master is None or fits(kind, master)
]


def assert_resumes(settings, through, path):
    """Assert that 5 updates, a checkpoint and 5 updates are the same as 10 updates."""
    straight = learner_of(seed=5, updates=10, **settings)
    first = learner_of(seed=5, updates=5, **settings)
    second = learner_of(**settings)
    if through == "file":
        first.save(path, parameters=True)
        second.load(path, parameters=True)
    elif through == "parameters":
        second.load_state_dict(first.state_dict(parameters=True), parameters=True)
    else:
        for name, array in first.parameters.items():
            second.parameters[name][...] = array
        second.load_state_dict(first.state_dict())
    assert everything(second) == everything(first)
    train(second, range(5, 10))
    assert everything(second) == everything(straight)


@pytest.mark.parametrize("through", ["dict", "parameters", "file"])
@pytest.mark.parametrize(("kind", "states", "master", "rounding"), EVERY)
def test_training_resumes_bitwise_in_every_storage(
    kind, states, master, rounding, through, tmp_path
):
    chosen = {"states": STATES[states], "master": master, "rounding": rounding}
    assert_resumes({"kind": kind, "backend": "numpy", **chosen}, through, tmp_path / "learner")


COMPILED = [
    {"states": CODES, "master": "split16", "rounding": "stochastic"},
    {"states": "bfloat16", "master": "split8"},
    {"states": "float16", "master": "float32"},
    {"states": CODES, "rounding": "stochastic"},
    {"master": "kahan", "states": "bfloat16", "rounding": "stochastic"},
    {"kind": "float16", "states": "float16", "rounding": "stochastic"},
]


@pytest.mark.parametrize("settings", COMPILED, ids=str)
def test_compiled_training_resumes_bitwise(settings, tmp_path):
    assert_resumes(settings, "file", tmp_path / "learner")


def test_parameters_of_several_types_resume_bitwise(backend, tmp_path):
    def mixed():
        own = arrays("bfloat16") | {"c": np.ones(5, np.float32), "h": np.ones(6, np.float16)}
        return adamw(own, master="kahan", rounding="stochastic", backend=backend)

    first, second = mixed(), mixed()
    train(first, range(3))
    first.save(tmp_path / "learner", parameters=True)
    second.load(tmp_path / "learner", parameters=True)
    train(first, range(3, 5))
    train(second, range(3, 5))
    assert everything(second) == everything(first)


# Files


def test_a_file_has_the_arrays_in_their_number_types(tmp_path):
    learner = learner_of(states=CODES, master="split16", updates=2)
    learner.save(tmp_path / "learner", parameters=True)
    with safe_open(tmp_path / "learner", framework="np") as file:
        found = {key: file.get_slice(key).get_dtype() for key in list(file.keys())}
    assert {key: dtype for key, dtype in found.items() if "/w" in key} == {
        "parameter/w": "BF16",
        "state/w/m": "I8",
        "state/w/m.scale": "F32",
        "state/w/parameter.rest": "I16",
        "state/w/v": "U8",
        "state/w/v.scale": "F32",
    }


def test_a_file_of_float32_is_one_of_a_float32_learner(tmp_path):
    learner = learner_of(states=CODES, master="split16", updates=2)
    learner.save(tmp_path / "learner", dtype="float32")
    with safe_open(tmp_path / "learner", framework="np") as file:
        found = {key: file.get_tensor(key) for key in list(file.keys())}
    names = [f"{kind}/{name}" for kind in ("parameter",) for name in "bw"]
    names += [f"state/{name}/{state}" for name in "bw" for state in "mv"]
    assert sorted(found) == sorted(names)
    assert {array.dtype for array in found.values()} == {np.dtype("f4")}
    np.testing.assert_array_equal(found["parameter/w"], learner.master_parameters()["w"])
    np.testing.assert_array_equal(found["state/w/m"], learner.state["w"]["m"])


def test_a_file_of_bfloat16_is_read_before_anything_else_needs_the_type(tmp_path):
    """safetensors finds the type only after ml_dtypes was imported."""
    learner_of(states="bfloat16", updates=1).save(tmp_path / "learner", parameters=True)
    program = (
        "import sys, numpy as np\n"
        "from learnerdsl.learners import adamw\n"
        "arrays = {'w': np.zeros((20, 15), np.float32), 'b': np.zeros(4, np.float32)}\n"
        "learner = adamw(arrays, backend='numpy')\n"
        "assert 'ml_dtypes' not in sys.modules\n"
        f"learner.load({str(tmp_path / 'learner')!r}, parameters=True)\n"
        "print(learner.step_count)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["1"], done.stderr


def test_a_file_of_bfloat16_says_what_reading_it_takes(tmp_path, monkeypatch):
    learner_of(backend="numpy").save(tmp_path / "learner", parameters=True)
    learner = learner_of("float32", backend="numpy")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ld.DtypeError, match=r"pip install .learnerdsl\[bfloat16\]"):
        learner.load(tmp_path / "learner", parameters=True)
    learner.load(tmp_path / "learner")


# States


def test_an_8_bit_state_is_a_read_only_copy_of_its_values(backend):
    learner = learner_of(states=CODES, backend=backend, updates=2)
    shown = learner.state["w"]["m"]
    assert (shown.dtype, shown.shape) == (np.float32, (20, 15))
    with pytest.raises(ValueError, match="read-only"):
        shown[...] = 0
    assert set(learner.state["w"]) == {"m", "v"}


def test_assigning_an_8_bit_state_leaves_the_others_as_they_are(backend):
    learner = learner_of(states=CODES, backend=backend, updates=3)
    before = learner.state_dict()["state"]
    view = learner.state["w"]
    view["m"] = np.ones((20, 15))
    assert (view["m"] == 1).all()
    after = learner.state_dict()["state"]
    changed = {
        (name, piece)
        for name, own in after.items()
        for piece, array in own.items()
        if array.tobytes() != before[name][piece].tobytes()
    }
    assert changed == {("w", "m"), ("w", "m.scale")}
    np.testing.assert_array_equal(learner.state["w"]["m"], 1)


def test_an_8_bit_state_takes_its_own_values_back_unchanged(backend):
    learner = learner_of(states=CODES, backend=backend, updates=3)
    before = everything(learner)
    for name, own in learner.state.items():
        for state in own:
            learner.state[name][state] = own[state]
    assert everything(learner) == before


def test_a_state_without_signs_refuses_negative_numbers(backend):
    learner = learner_of(states=CODES, backend=backend, updates=1)
    before = everything(learner)
    with pytest.raises(ld.ArrayError, match="State 'v' of 'w' is stored without signs"):
        learner.state["w"].update(m=0.0, v=-np.ones((20, 15)))
    assert everything(learner) == before


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_a_narrow_state_is_memory_that_takes_arrays_of_its_type(kind, backend):
    learner = learner_of(states=kind, backend=backend, updates=1)
    view = learner.state["w"]["m"]
    assert view.dtype == TYPES[kind]
    view[...] = 0.5
    assert (learner.state["w"]["m"] == 0.5).all()
    learner.state["w"]["m"] = np.full((20, 15), 0.25, TYPES[kind])
    assert (view == 0.25).all()


def test_reset_starts_states_and_master_weights_again(backend):
    learner = learner_of(states=CODES, master="split16", backend=backend, updates=2)
    learner.reset()
    for name, array in learner.parameters.items():
        np.testing.assert_array_equal(learner.master_parameters()[name], array.astype(np.float32))
        assert all((state == 0).all() for state in learner.state[name].values())
    assert learner.step_count == 0


# Parameters


@pytest.mark.parametrize("master", MASTERS[1:])
def test_master_weights_begin_again_at_parameters_that_others_wrote(master, backend):
    learner = learner_of(master=master, backend=backend, updates=3)
    states = {name: dict(own) for name, own in learner.state_dict()["state"].items()}
    for array in learner.parameters.values():
        array[...] = 0.75
    learner.adopt_parameters()
    assert all((array == 0.75).all() for array in learner.master_parameters().values())
    assert learner.step_count == 3
    for name, own in learner.state.items():
        for state, array in own.items():
            np.testing.assert_array_equal(array, states[name][state])


def test_without_adopting_a_master_copy_goes_on_where_it_was(backend):
    learner = learner_of(master="float32", backend=backend, updates=2)
    kept = learner.master_parameters()
    learner.parameters["w"][...] = 0
    np.testing.assert_array_equal(learner.master_parameters()["w"], kept["w"])


def test_parameters_without_master_weights_have_nothing_to_adopt(backend):
    learner = learner_of(backend=backend, updates=2)
    before = everything(learner)
    learner.adopt_parameters()
    assert everything(learner) == before


@pytest.mark.parametrize("of", ["float32", "bfloat16", "master", "split8", "kahan"])
@pytest.mark.parametrize("master", MASTERS)
def test_a_learner_goes_on_from_the_parameters_that_were_loaded(of, master, backend):
    first = learner_of(backend=backend, updates=3, **CHOICES[of])
    second = learner_of(master=master, backend=backend, updates=1)
    second.load_state_dict(first.state_dict(parameters=True), parameters=True)
    for name, shown in second.parameters.items():
        for learner in (first, second):
            weights = learner.master_parameters()[name]
            error = np.abs(shown.astype(np.float32) - weights)
            assert (error <= 2.0**-8 * np.abs(weights)).all()  # half a unit of bfloat16


@pytest.mark.parametrize("settings", CHOICES.values(), ids=CHOICES)
def test_evaluation_parameters_are_copies_of_the_parameters(settings, backend):
    learner = learner_of(backend=backend, updates=3, **settings)
    for name, array in learner.evaluation_parameters().items():
        assert array.tobytes() == learner.parameters[name].tobytes()
        assert array is not learner.parameters[name]
