"""Number types of a learner's arrays: checkpoints in each, conversions, states, master weights."""

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from support.small_rules import BACKENDS, train

import learnerdsl as ld
from learnerdsl.learners import adafactor, adamw

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
TYPES = {"float32": np.dtype("f4"), "bfloat16": BFLOAT16, "float16": np.dtype("f2")}
CODES = {"m": "int8", "v": "uint8"}
STATES = {"float32": None, "bfloat16": "bfloat16", "float16": "float16", "8 bits": CODES}
MASTERS = (None, "float32", "split16", "split8", "kahan")


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def arrays(kind):
    """More elements than a block of 8-bit states, and a vector."""
    wide = {"w": np.linspace(-1, 1, 300).reshape(20, 15), "b": np.linspace(1, 2, 4)}
    return {name: array.astype(TYPES[kind]) for name, array in wide.items()}


def learner_of(kind="bfloat16", rule=adamw, updates=0, **settings):
    """A learner of parameters of a number type, after some updates."""
    learner = rule(arrays(kind), lr=0.01, **settings)
    train(learner, range(updates))
    return learner


def everything(learner):
    """All arrays of a learner, as bytes, and its clock."""
    saved = learner.state_dict(parameters=True)
    kept = [{**saved["state"][n], "parameter": saved["values"][n]} for n in saved["state"]]
    bytes_of = [{key: np.asarray(a).tobytes() for key, a in one.items()} for one in kept]
    return bytes_of, saved["step_count"], saved["seed"]


def fits(kind, master):
    """Whether parameters of a type can have a master weight."""
    return kind == "bfloat16" or (kind == "float16" and master in (None, "float32", "kahan"))


# Resuming


EVERY = [
    (kind, states, master, rounding)
    for kind in TYPES
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


# Other number types


CHOICES = {
    "float32": {"kind": "float32"},
    "float64": {"kind": "float64"},
    "bfloat16": {"kind": "bfloat16"},
    "bfloat16 states": {"kind": "bfloat16", "states": "bfloat16"},
    "float16": {"kind": "float16", "states": "float16"},
    "8 bits": {"kind": "bfloat16", "states": CODES},
    "master": {"kind": "bfloat16", "master": "float32", "states": CODES},
    "split16": {"kind": "bfloat16", "master": "split16"},
    "split8": {"kind": "bfloat16", "master": "split8", "states": "bfloat16"},
    "kahan": {"kind": "bfloat16", "master": "kahan", "states": "bfloat16"},
}
TYPES["float64"] = np.dtype("f8")
ERRORS = {"float32": 0, "float64": 0, "bfloat16": 2**-8, "float16": 2**-11}
"""Number type -> the most that rounding to nearest changes a value, in parts of it."""

REST_ERRORS = {None: 1, "float32": 0, "split16": 0, "split8": 2**-8, "kahan": 2**-7}
"""Master weight -> the part of the parameter's own rounding error that remains."""


def assert_same_values(second, weights, states):
    """Assert that a learner has these values, but for the rounding of its own number types."""
    precision = second._precisions[0]
    least = ERRORS[precision.parameter] * REST_ERRORS[precision.master or None]
    for name, wanted in weights.items():
        actual = np.asarray(second.master_parameters()[name], np.float64)
        assert (np.abs(actual - wanted) <= least * np.abs(wanted)).all()
        for state, values in states[name].items():
            own = precision.state(state)
            given = np.asarray(second.state[name][state], np.float64)
            scale = np.abs(values).max() / 100 if own.block else 0
            error = ERRORS.get(own.name, 0.02)
            np.testing.assert_allclose(given, values, rtol=error, atol=max(scale, 2.0**-25))


def values_of(learner):
    """The weights and the states of a learner as float64 arrays."""
    wide = {n: np.asarray(a, np.float64) for n, a in learner.master_parameters().items()}
    states = {
        name: {state: np.asarray(a, np.float64) for state, a in own.items()}
        for name, own in learner.state.items()
    }
    return wide, states


@pytest.mark.parametrize("export", [None, "float32"])
@pytest.mark.parametrize("into", CHOICES)
@pytest.mark.parametrize("of", CHOICES)
def test_a_checkpoint_loads_into_a_learner_of_other_number_types(of, into, export):
    first = learner_of(backend="numpy", seed=3, updates=3, **CHOICES[of])
    second = learner_of(backend="numpy", **CHOICES[into])
    saved = first.state_dict(parameters=True, dtype=export)
    if of == "float64" and into != "float64" and export is None:
        with pytest.raises(ld.CheckpointError, match='save it with dtype="float32"'):
            second.load_state_dict(saved, parameters=True)
        return
    second.load_state_dict(saved, parameters=True)
    weights, states = values_of(first)
    if export:
        weights = {n: a.astype(np.float32).astype(np.float64) for n, a in weights.items()}
    assert_same_values(second, weights, states)
    assert (second.step_count, second.state_dict()["seed"]) == (3, 3)
    train(second, [4])


def test_float32_values_are_exact_where_the_number_types_hold_them():
    """split16 keeps float32 weights, so a float32 learner goes on as if nothing had happened."""
    straight = learner_of("float32", backend="numpy", updates=3)
    narrow = learner_of(master="split16", backend="numpy")
    narrow.load_state_dict(straight.state_dict(parameters=True), parameters=True)
    again = learner_of("float32", backend="numpy")
    again.load_state_dict(narrow.state_dict(dtype="float32"), parameters=True)
    assert everything(again) == everything(straight)


def test_factored_states_and_scalars_are_converted():
    first = adafactor(arrays("bfloat16"), states="bfloat16", backend="numpy")
    train(first, range(2))
    saved = first.state_dict(dtype="float32")
    second = adafactor(arrays("float32"), backend="numpy")
    second.load_state_dict(saved, parameters=True)
    assert values_of(second)[1].keys() == values_of(first)[1].keys()
    for name, states in first.state.items():
        for state, array in states.items():
            wanted = np.asarray(array, np.float64)
            np.testing.assert_array_equal(np.asarray(second.state[name][state]), wanted)


def test_an_old_checkpoint_without_the_parameters_starts_the_master_weights():
    first = learner_of("float32", backend="numpy", updates=2)
    second = learner_of(master="split16", states="bfloat16", backend="numpy", updates=1)
    before = {name: array.copy() for name, array in second.parameters.items()}
    second.load_state_dict(first.state_dict())
    for name, array in second.parameters.items():
        assert array.tobytes() == before[name].tobytes()
        np.testing.assert_array_equal(second.master_parameters()[name], array.astype(np.float32))


def refusal(load):
    """The message with which a learner refuses a checkpoint."""
    with pytest.raises(ld.CheckpointError) as caught:
        load()
    return str(caught.value)


@pytest.mark.parametrize("master", [None, "kahan"])
def test_bits_of_master_weights_are_not_lost_unasked(master, tmp_path):
    first = learner_of(master="split16", backend="numpy", updates=2)
    second = learner_of(master=master, backend="numpy")
    before = everything(second)
    text = refusal(lambda: second.load_state_dict(first.state_dict()))
    assert "parameter 'w' as bfloat16 with master='split16', this learner as bfloat16" in text
    assert "load(path, parameters=True)" in text
    assert everything(second) == before
    first.save(tmp_path / "learner", parameters=True)
    assert "master='split16'" in refusal(lambda: second.load(tmp_path / "learner"))
    second.load(tmp_path / "learner", parameters=True)
    assert second.step_count == 2


def without(saved, name, state):
    del saved["state"][name][state]
    return saved


DAMAGE = {
    "no scales": (lambda s: without(s, "w", "m.scale"), "missing 'm.scale'"),
    "scales of another shape": (
        lambda s: s["state"]["w"].update({"m.scale": np.zeros(3, np.float32)}) or s,
        "'m.scale' of 'w' has shape (3,)",
    ),
    "scales of a plain state": (
        lambda s: s["state"]["w"].update({"m": np.zeros((20, 15), np.float32)}) or s,
        "not known here 'm.scale'",
    ),
    "codes of another shape": (
        lambda s: s["state"]["w"].update({"m": np.zeros(300, np.int8)}) or s,
        "State 'm' of 'w' has shape (300,) and dtype int8 in the checkpoint",
    ),
    "another rest": (
        lambda s: s["state"]["w"].update({"parameter.rest": np.zeros((20, 15), np.int32)}) or s,
        "has dtype int32 in the checkpoint, which is no master weight of bfloat16",
    ),
    "a rest of another shape": (
        lambda s: s["state"]["w"].update({"parameter.rest": np.zeros(3, np.int16)}) or s,
        "'parameter.rest' of 'w' has shape (3,)",
    ),
    "whole numbers": (
        lambda s: s["state"]["b"].update({"v": np.zeros(4, np.int64)}) or s,
        "not known here 'v.scale'",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.parametrize("kind", ["bfloat16", "float32"])
def test_damaged_arrays_are_named(case, kind):
    settings = {"states": CODES, "master": "split16"} if kind == "bfloat16" else {}
    first = learner_of(states=CODES, master="split16", backend="numpy")
    second = learner_of(kind, backend="numpy", updates=1, **settings)
    before = everything(second)
    damage, part = DAMAGE[case]
    saved = damage(first.state_dict(parameters=True))
    assert part in refusal(lambda: second.load_state_dict(saved, parameters=True))
    assert everything(second) == before


def test_values_of_other_parameters_are_named():
    learner = learner_of(backend="numpy")
    saved = learner.state_dict(parameters=True)
    del saved["values"]["b"]
    text = refusal(lambda: learner.load_state_dict(saved, parameters=True))
    assert "other values of parameters: missing 'b'" in text
    assert "state_dict(parameters=True)" in refusal(
        lambda: learner.load_state_dict(learner.state_dict(), parameters=True)
    )


@pytest.mark.parametrize("dtype", ["bfloat16", np.float32, 3, ""], ids=repr)
def test_a_checkpoint_is_as_stored_or_float32(dtype, tmp_path):
    learner = learner_of(backend="numpy")
    assert "dtype must be None" in refusal(lambda: learner.state_dict(dtype=dtype))
    assert "or 'float32'" in refusal(lambda: learner.save(tmp_path / "x", dtype=dtype))


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
