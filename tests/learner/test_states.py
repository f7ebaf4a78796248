"""States of a learner that are set as items of a dict: written to its memory, or refused."""

import copy
import pickle

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from support.small_rules import BACKENDS, contents, parameters, train, trained

import learnerdsl as ld


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


FILLED = np.full((3, 4), 0.25)
VALUES = {
    "float32": FILLED.astype(np.float32),
    "float64": FILLED,
    "columns first": np.asfortranarray(FILLED),
    "list": FILLED.tolist(),
    "torch": torch.tensor(FILLED),
    "torch with a gradient": torch.tensor(FILLED, requires_grad=True),
    "jax": jnp.asarray(FILLED),
    "number": 0.25,
    "array of no axes": np.array(0.25),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_state_takes_the_value_that_it_is_set_to(value, backend):
    learner, expected = trained(backend), trained(backend)
    view = learner.state["w"]["m"]
    learner.state["w"]["m"] = value
    expected.state["w"]["m"][...] = 0.25
    assert contents(learner) == contents(expected)
    assert (view == 0.25).all()
    train(learner, [2])
    train(expected, [2])
    assert contents(learner) == contents(expected)


def test_a_state_of_whole_numbers_takes_a_copy(backend):
    learner = trained(backend)
    value = np.full((3, 4), 3)
    learner.state["w"]["m"] = value
    value[...] = 9
    assert (learner.state["w"]["m"] == 3).all()


@pytest.mark.parametrize("value", [3.0, np.float32(3), np.array(3.0), torch.tensor(3.0)])
def test_a_state_of_a_tensor_takes_a_number(value, backend):
    learner = trained(backend)
    learner.state["b"]["peak"] = value
    assert float(learner.state["b"]["peak"]) == 3.0
    assert float(trained(backend).state["w"]["peak"]) == float(learner.state["w"]["peak"])


def test_arithmetic_in_place_is_done_once(backend):
    learner, before = trained(backend), trained(backend).state["w"]["m"].copy()
    learner.state["w"]["m"] += 1
    learner.state["w"]["m"] *= 2
    np.testing.assert_array_equal(learner.state["w"]["m"], (before + 1) * 2)


def test_update_sets_several_states(backend):
    learner = trained(backend)
    learner.state["w"].update(m=0.5, peak=2.0)
    learner.state["b"] |= {"m": 0.125}
    assert (learner.state["w"]["m"] == 0.5).all()
    assert float(learner.state["w"]["peak"]) == 2.0
    assert (learner.state["b"]["m"] == 0.125).all()


def test_a_state_of_the_model_takes_the_number_that_it_is_set_to(backend):
    learner, expected = trained(backend), trained(backend)
    learner.model_state["energy"] = np.float32(4)
    assert learner.model_state == {"energy": 4.0}
    saved = expected.state_dict()
    saved["model_state"]["energy"] = 4.0
    expected.load_state_dict(saved)
    train(learner, [2])
    train(expected, [2])
    assert contents(learner) == contents(expected)


def test_a_dict_of_the_states_of_the_model_shows_what_was_set():
    states = trained("cpu").model_state
    states["energy"] += 1
    before = trained("cpu").model_state["energy"]
    assert states["energy"] == before + 1


def test_states_are_dicts():
    learner = trained("cpu")
    assert isinstance(learner.state, dict)
    assert {**learner.state["w"]}.keys() == {"m", "peak"}
    assert learner.model_state | {"more": 1.0} == {**learner.model_state, "more": 1.0}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_of_states_is_a_plain_dict_of_values(copied):
    learner = trained("cpu")
    kept = copied(learner.state)
    wanted = learner.state["w"]["m"].copy()
    train(learner, [2])
    np.testing.assert_array_equal(kept["w"]["m"], wanted)
    kept["w"]["m"] = None
    assert copied(learner.model_state) == learner.model_state


M = np.zeros((3, 4), np.float32)
REFUSED = {
    "another shape": M.T,
    "a vector": np.zeros(4, np.float32),
    "an axis more": M[None],
    "text": "zeros",
    "None": None,
    "a dict": {},
    "complex numbers": M + 1j,
    "truth values": M > 0,
    "objects": M.astype(object),
    "times": M.astype("m8[s]"),
    "a ragged list": [[1.0], [2.0, 3.0]],
    "a masked array": np.ma.masked_array(M),
    "a sparse array": ld.RowSparse(np.array([0]), np.zeros((1, 4), np.float32), (3, 4)),
    "a tensor without memory": torch.zeros(3, 4, device="meta"),
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_a_value_that_is_no_such_array_changes_nothing(value, backend):
    learner = trained(backend)
    before = contents(learner)
    with pytest.raises(ld.ArrayError, match="State 'm' of 'w'"):
        learner.state["w"].update(peak=5.0, m=value)
    assert contents(learner) == before


@pytest.mark.parametrize("value", [True, None, "1", 1j, float("nan"), [1.0], np.ones(1), 10**400])
def test_a_value_that_is_no_number_changes_nothing_of_the_model(value, backend):
    learner = trained(backend)
    before = contents(learner)
    with pytest.raises(ld.HyperparameterError, match="State 'energy' of the model is one number"):
        learner.model_state["energy"] = value
    assert contents(learner) == before


def set_state(learner, name, state, value):
    learner.state[name][state] = value


def set_parameter(learner, name, value):
    learner.state[name] = value


CALLS = {
    "an unknown state": lambda learner: set_state(learner, "w", "n", M),
    "an unknown parameter": lambda learner: set_state(learner, "v", "m", M),
    "a number for a name": lambda learner: learner.state[3],
    "all states at once": lambda learner: set_parameter(learner, "w", {"m": M}),
    "states of an unknown parameter": lambda learner: set_parameter(learner, "v", {}),
    "del of a state": lambda learner: learner.state["w"].__delitem__("m"),
    "del of a parameter": lambda learner: learner.state.__delitem__("w"),
    "pop": lambda learner: learner.state["w"].pop("m"),
    "pop with a default": lambda learner: learner.state["w"].pop("n", None),
    "popitem": lambda learner: learner.state["w"].popitem(),
    "clear": lambda learner: learner.state.clear(),
    "setdefault": lambda learner: learner.state["w"].setdefault("n", 3),
    "update": lambda learner: learner.state["w"].update(n=M),
    "an unknown state of the model": lambda learner: learner.model_state.update(x=3),
    "del of a state of the model": lambda learner: learner.model_state.__delitem__("energy"),
}


@pytest.mark.parametrize("case", CALLS)
def test_names_of_states_stay_as_they_are(case, backend):
    learner = trained(backend)
    before = contents(learner)
    with pytest.raises(ld.LearnerError) as caught:
        CALLS[case](learner)
    assert str(caught.value).endswith(".")
    assert contents(learner) == before


def test_a_state_that_a_tensor_has_not_is_not_among_its_own():
    @ld.rule
    def by_shape(p, g, lr=0.1):
        name = "vector" if ld.ndim(p) == 1 else "matrix"
        v = ld.state(name)
        return ld.assign(p, p - lr * ld.assign(v, v + g))

    learner = by_shape([np.zeros(2), np.zeros((2, 2))])
    learner.state[1]["matrix"] = np.ones((2, 2))
    assert learner.state[1]["matrix"].tolist() == [[1, 1], [1, 1]]
    with pytest.raises(ld.UnknownNameError, match=r"'matrix' among the states of 0; .* 'vector'"):
        learner.state[0]["matrix"] = np.ones((2, 2))


def test_parameters_keep_their_memory():
    arrays = parameters("dict")
    learner = trained("cpu")
    learner.state["w"]["m"] = arrays["w"]
    train(learner, [2])
    assert (arrays["w"] == parameters("dict")["w"]).all()
