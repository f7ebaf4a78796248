"""Nested containers of parameters: their paths, their gradients, and what is not nested."""

import collections
import dataclasses

import numpy as np
import pytest
from support.small_rules import BACKENDS

import learnerdsl as ld
from learnerdsl.learners import adam, adamw, sgd, sophia
from learnerdsl.runtime.arrays.nested import flattened, paths_of, rebuilt_with

Pair = collections.namedtuple("Pair", "w b")


@dataclasses.dataclass
class Net:
    """Two layers and a setting."""

    first: Pair
    rest: dict
    width: int = 3


def net(value=1.0):
    def full(*shape):
        return np.full(shape, value)

    return Net(Pair(full(2, 3), full(3)), {"layers": [full(3), {"w": full(2)}], "none": ()})


PATHS = ["first.w", "first.b", "rest.layers.0", "rest.layers.1.w"]


def test_arrays_have_their_paths_as_names():
    assert list(flattened(net())) == PATHS
    back = rebuilt_with(net(), {path: np.zeros(1) for path in PATHS})
    assert isinstance(back, Net)
    assert isinstance(back.first, Pair)
    assert back.width == 3
    assert not any(array.any() for array in paths_of(back).values())


@pytest.mark.parametrize(
    "given", [{"a": np.ones(1)}, [np.ones(1)], (np.ones(1),), [[1.0, 2.0]], {"a": [1.0]}, {}, 3]
)
def test_what_is_not_nested_stays_as_it_is(given):
    assert flattened(given) is given


def test_two_arrays_of_one_path_are_refused():
    with pytest.raises(ld.ArrayError, match=r"Two arrays have the path 'a\.b'"):
        adam({"a.b": np.ones(1), "a": {"b": np.ones(1)}})


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_learner_of_nested_parameters(backend):
    params = net()
    learner = adamw(params, lr=0.5, groups=[{"params": "first.*", "frozen": True}], backend=backend)
    plain = {path: np.copy(array) for path, array in paths_of(net()).items()}
    same = adamw(plain, lr=0.5, groups=[{"params": "first.*", "frozen": True}], backend=backend)
    assert list(learner.parameters) == PATHS[2:]
    for value in (1.0, 2.0):
        learner.update(net(value))
        same.update({path: np.full_like(plain[path], value) for path in PATHS})
    for path, array in paths_of(params).items():
        assert (array == plain[path]).all()
    learner.update({path: np.ones_like(plain[path]) for path in PATHS[2:]})
    assert learner.step_count == 3


def test_gradients_and_extras_that_are_none_or_nested():
    params = {"a": {"w": np.ones(2), "v": np.ones(2)}}
    learner = sgd(params, lr=1.0)
    learner.update({"a": {"w": np.ones(2), "v": None}})
    assert (params["a"]["w"] == 0).all()
    assert (params["a"]["v"] == 1).all()
    with pytest.raises(ld.UnknownNameError, match=r"a\.v"):
        learner.update({"a": {"w": np.ones(2)}})
    of_extras = sophia({"a": {"w": np.ones(2)}})
    (extra,) = of_extras.extras
    of_extras.update({"a": {"w": np.ones(2)}}, **{extra: {"a": {"w": np.ones(2)}}})


def test_rules_by_parameter_see_paths():
    rule = ld.by_parameter(lambda name, shape: sgd if name.endswith(".b") else adam)
    learner = rule(Pair({"b": np.ones(2)}, [np.ones(3)]))
    assert list(learner.parameters) == ["w.b", "b.0"]
    learner.update(Pair({"b": np.ones(2)}, [np.ones(3)]))
