"""Checkpoints that load into learners of other number types, or are refused."""

import numpy as np
import pytest
from support.number_types import CHOICES, CODES, arrays, everything, learner_of
from support.small_rules import train

import learnerdsl as ld
from learnerdsl.learners import adafactor

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


@pytest.mark.parametrize("value", [np.zeros((20, 15), np.float32), np.zeros(3), None], ids=str)
def test_values_of_another_type_or_shape_are_named(value):
    learner = learner_of(backend="numpy", updates=1)
    before = everything(learner)
    saved = learner.state_dict(parameters=True)
    saved["values"]["w"] = value
    text = refusal(lambda: learner.load_state_dict(saved, parameters=True))
    assert text.startswith("Parameter 'w' has shape ()" if value is None else "Parameter 'w' has")
    assert everything(learner) == before


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
