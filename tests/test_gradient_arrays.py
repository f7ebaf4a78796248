"""Which arrays hold the gradients: new, reused, swapped or shared ones all give the same."""

import numpy as np
import pytest
from fixtures_runtime import BACKENDS, contents, gradients, momentum, trained


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def runs(choose, backend):
    """Four updates by arrays that `choose` finds for their values; what they leave."""
    learner = momentum([np.zeros(5, np.float32), np.ones(5, np.float32)], backend=backend)
    rng = np.random.default_rng(20240229)
    for _ in range(4):
        learner.update(choose(rng.standard_normal((2, 5)).astype(np.float32)))
    return contents(learner)


def fresh(values):
    return [row.copy() for row in values]


def reused():
    """The same two objects in every update."""
    kept = [np.zeros(5, np.float32), np.zeros(5, np.float32)]

    def choose(values):
        for array, value in zip(kept, values, strict=True):
            array[...] = value
        return kept

    return choose


def in_turns():
    """Two pairs of objects, one after the other."""
    pairs = [reused(), reused()]

    def choose(values):
        pairs.reverse()
        return pairs[0](values)

    return choose


def swapped():
    """The same two objects, which belong to the other parameter in every second update."""
    kept = [np.zeros(5, np.float32), np.zeros(5, np.float32)]

    def choose(values):
        kept.reverse()
        for array, value in zip(kept, values, strict=True):
            array[...] = value
        return list(kept)

    return choose


def half_new():
    """One object that stays, one that is new."""
    kept = np.zeros(5, np.float32)

    def choose(values):
        kept[...] = values[0]
        return [kept, values[1].copy()]

    return choose


def in_one_buffer(values):
    return [values[0], values[1]]


def read_only(values):
    arrays = fresh(values)
    for array in arrays:
        array.setflags(write=False)
    return arrays


CHOICES = {
    "the same objects": lambda: reused(),
    "objects in turns": lambda: in_turns(),
    "objects swapped between parameters": lambda: swapped(),
    "one old and one new object": lambda: half_new(),
    "rows of one buffer": lambda: in_one_buffer,
    "read-only objects": lambda: read_only,
    "a tuple": lambda: lambda values: tuple(fresh(values)),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_it_does_not_matter_which_objects_hold_the_gradients(choice, backend):
    assert runs(CHOICES[choice](), backend) == runs(fresh, backend)


def test_gradients_that_are_dropped_between_updates_leave_no_trace(backend):
    # NumPy gives the memory of a dropped array to the next one: same address, other object.
    def choose(values):
        return [values[0] * 1, values[1] * 1]

    assert runs(choose, backend) == runs(fresh, backend)


def test_a_dict_of_gradients_may_be_the_same_object_with_other_arrays(backend):
    learner, expected = trained(backend, updates=0), trained(backend, updates=0)
    kept = {}
    for seed in range(3):
        kept.update(gradients(learner, seed))
        learner.update(kept)
        expected.update(gradients(expected, seed))
    assert contents(learner) == contents(expected)
