"""Which arrays hold the gradients: new, reused, swapped or shared ones all give the same."""

import numpy as np
import pytest
from support.small_rules import BACKENDS, contents, every_state, gradients, momentum, trained

import learnerdsl as ld


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


# Gradients that are copied: of another float type, or of another layout


def unaligned(values):
    memory = np.zeros(values.nbytes + 1, np.uint8)[1:].view(values.dtype).reshape(values.shape)
    memory[...] = values
    return memory


def strided(values):
    wide = np.zeros((*values.shape, 2), values.dtype)
    wide[..., 0] = values
    return wide[..., 0]


LAYOUTS = {
    "wider": lambda values: values.astype(np.float64),
    "narrower": lambda values: values.astype(np.float16),
    "long doubles": lambda values: values.astype(np.longdouble),
    "Fortran order": np.asfortranarray,
    "strided": strided,
    "reversed": lambda values: values[::-1].copy()[::-1],
    "byte-swapped": lambda values: values.astype(values.dtype.newbyteorder()),
    "unaligned": unaligned,
    "a subclass": lambda values: values.copy().view(np.recarray),
    "a matrix": lambda values: np.array(values).view(np.matrix),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_of_any_layout_are_read_in_every_update(layout, dtype, backend):
    rng = np.random.default_rng(0)
    # Of few digits, so that float16 has them all.
    start = [rng.integers(-9, 9, (4, 6)).astype(dtype), np.ones((4, 6), dtype)]
    learner = momentum([a.copy() for a in start], backend=backend)
    same = momentum([a.copy() for a in start], backend=backend)
    given = [LAYOUTS[layout](a) for a in start]
    for _ in range(3):
        learner.update(given)
        same.update([np.array(g, dtype) for g in given])
        for g in given:
            g += 1
    assert contents(learner) == contents(same)


def test_rows_of_one_number_are_read(backend):
    learner, same = (momentum([np.zeros((3, 4))], backend=backend) for _ in range(2))
    learner.update([np.broadcast_to(2.0, (3, 4))])
    same.update([np.full((3, 4), 2.0)])
    assert contents(learner) == contents(same)


def test_what_is_too_large_for_the_parameter_becomes_infinity(backend):
    learner = momentum([np.zeros(2, np.float32)], backend=backend)
    learner.update([np.array([1e300, -1e300])])
    np.testing.assert_array_equal(learner.parameters[0], [-np.inf, np.inf])


def test_what_is_too_large_for_the_parameter_can_be_refused(backend):
    learner = momentum([np.zeros(2, np.float32)], backend=backend, nonfinite="raise")
    with pytest.raises(ld.NonFiniteError, match="Gradients of 0 hold"):
        learner.update([np.array([1e300, 0])])
    assert learner.step_count == 0


@pytest.mark.parametrize(
    "number", [np.float64(0.5), np.float32(0.5), np.array(0.5), np.array(0.5, "f2")]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_of_numpy_are_gradients_of_parameters_without_axes(number, dtype, backend):
    parameter = np.array(3.0, dtype)
    learner = momentum([parameter], lr=1.0, mu=0.0, backend=backend)
    for _ in range(2):
        learner.update([number])
    assert parameter == 2.0


def test_a_matrix_is_trained_as_the_array_that_it_is(backend):
    given = np.full((3, 3), 2.0)
    arrays = [given.copy().view(np.matrix), given.copy()]
    for array in arrays:
        learner = momentum([array], backend=backend)
        learner.update([given])
    np.testing.assert_array_equal(*arrays)
    assert learner.parameters[0] is arrays[1]


def parts_of_states():
    whole, twice = np.ones((4, 5)), np.ones(4)
    return [whole, twice, np.array(1.0)]


OVERLAPS = {
    "a state": (0, lambda s: s[0]["m"]),
    "a state of another parameter": (1, lambda s: s[0]["m"].ravel()[3:7]),
    "a column of a state": (1, lambda s: s[0]["m"][:, 1]),
    "a state turned round": (0, lambda s: s[0]["m"][::-1]),
    "a state of a tensor": (2, lambda s: s[1]["peak"]),
}


@pytest.mark.parametrize("case", OVERLAPS)
def test_gradients_in_the_memory_of_states_are_refused(case, backend):
    index, choose = OVERLAPS[case]
    learner = every_state(parts_of_states(), backend=backend)
    given = parts_of_states()
    learner.update(given)
    before = contents(learner)
    given[index] = choose(learner.state)
    with pytest.raises(ld.ArrayError, match=f"The gradient of {index} overlaps a state of"):
        learner.update(given)
    assert contents(learner) == before
