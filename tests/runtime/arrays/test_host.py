"""Parameters: which arrays can be updated in place, and the errors of those that cannot."""

import numpy as np
import pytest
from runtime.arrays.test_gradient_errors import assert_says, floats
from support.small_rules import BACKENDS, contents, every_state

import learnerdsl as ld
from learnerdsl.learners import amsgrad


def misaligned(*shape):
    """A float32 array whose first byte is at an odd address."""
    size = 4 * np.prod(shape, dtype=int)
    return np.zeros(size + 1, np.uint8)[1:].view(np.float32).reshape(shape)


def read_only(array):
    """The same array, which refuses to be written."""
    array.setflags(write=False)
    return array


BUFFER = floats(10)
NOT_A_NUMBER_TYPE = ("which cannot be updated", "create it with one of float32, float64")
NOT_IN_PLACE = ("so it cannot be updated in place", "of a copy, only the copy would be trained")
NOT_CONTIGUOUS = ("is not contiguous in row-major order", *NOT_IN_PLACE)
NOT_PLAIN = ("is not aligned or has foreign byte order", *NOT_IN_PLACE)
NOT_A_COLLECTION = "must be a dict or a sequence of"

BAD_PARAMETERS = {
    "empty dict": (dict, ld.ArrayError, ("at least one parameter array", "got none")),
    "empty list": (list, ld.ArrayError, ("at least one parameter array",)),
    "bare array": (
        lambda: floats(3),
        ld.ArrayError,
        (NOT_A_COLLECTION, "got one array", "[array]"),
    ),
    "None": (lambda: None, ld.ArrayError, (NOT_A_COLLECTION, "got NoneType")),
    "number": (lambda: 3.0, ld.ArrayError, (NOT_A_COLLECTION, "got float")),
    "text": (lambda: "w", ld.ArrayError, (NOT_A_COLLECTION, "got str")),
    "generator": (
        lambda: iter([floats(3)]),
        ld.ArrayError,
        (NOT_A_COLLECTION, "got list_iterator"),
    ),
    "dict values": (lambda: {"w": floats(3)}.values(), ld.ArrayError, (NOT_A_COLLECTION,)),
    "list of lists": (
        lambda: [[1.0, 2.0]],
        ld.DtypeError,
        ("Parameter 0 is a list", "numpy.ndarray"),
    ),
    "list of numbers": (lambda: [1.0], ld.DtypeError, ("Parameter 0 is a float",)),
    "NumPy number": (lambda: [np.float32(1)], ld.DtypeError, ("Parameter 0 is a float32",)),
    "None in a list": (lambda: [floats(3), None], ld.DtypeError, ("Parameter 1 is a NoneType",)),
    "numbers in a dict": (lambda: {"a": {"b": 3.0}}, ld.DtypeError, ("Parameter 'a' is a dict",)),
    "integers": (lambda: {"w": np.arange(3)}, ld.DtypeError, ("Parameter 'w'", *NOT_A_NUMBER_TYPE)),
    "booleans": (lambda: [np.ones(3, bool)], ld.DtypeError, ("dtype bool", *NOT_A_NUMBER_TYPE)),
    "complex": (lambda: [np.ones(3, complex)], ld.DtypeError, ("complex128", *NOT_A_NUMBER_TYPE)),
    "objects": (lambda: [np.ones(3, object)], ld.DtypeError, ("object", *NOT_A_NUMBER_TYPE)),
    "texts": (lambda: [np.array(["a"])], ld.DtypeError, ("dtype str", *NOT_A_NUMBER_TYPE)),
    "Fortran order": (
        lambda: [np.asfortranarray(floats(3, 4))],
        ld.ArrayError,
        ("Parameter 0 of shape (3, 4)", *NOT_CONTIGUOUS),
    ),
    "transposed": (lambda: [floats(3, 4).T], ld.ArrayError, ("(4, 3)", *NOT_CONTIGUOUS)),
    "strided": (lambda: [floats(10)[::2]], ld.ArrayError, ("(5,)", *NOT_CONTIGUOUS)),
    "reversed": (lambda: [floats(10)[::-1]], ld.ArrayError, NOT_CONTIGUOUS),
    "read-only": (
        lambda: [floats(2), read_only(floats(3))],
        ld.ArrayError,
        ("Parameter 1 is read-only", *NOT_IN_PLACE),
    ),
    "overlapping views": (
        lambda: {"a": BUFFER[:6], "b": BUFFER[5:]},
        ld.ArrayError,
        ("'a' and 'b' overlap in memory", "memory of its own where it is created"),
    ),
    "array inside another": (
        lambda: [BUFFER, BUFFER[2:4]],
        ld.ArrayError,
        ("overlap in memory",),
    ),
    "overlap beyond a neighbour": (
        lambda: [BUFFER[:8], BUFFER[1:2], BUFFER[4:6]],
        ld.ArrayError,
        ("overlap in memory",),
    ),
    "same array twice": (lambda: [BUFFER, BUFFER], ld.ArrayError, ("0 and 1 overlap",)),
    "misaligned": (lambda: [misaligned(3)], ld.ArrayError, NOT_PLAIN),
    "big-endian": (lambda: [np.ones(3, ">f4")], ld.ArrayError, ("Parameter 0", *NOT_PLAIN)),
    "of no strides": (
        lambda: [np.broadcast_to(np.float32(1), (3,))],
        ld.ArrayError,
        NOT_CONTIGUOUS,
    ),
    "masked": (
        lambda: [np.ma.masked_array(floats(3), [1, 0, 0])],
        ld.ArrayError,
        ("Parameter 0 is a masked array", "train its `data`"),
    ),
    "structured": (lambda: [np.zeros(3, "f4, f4")], ld.DtypeError, NOT_A_NUMBER_TYPE),
    "float128": (lambda: [np.ones(3, np.longdouble)], ld.DtypeError, NOT_A_NUMBER_TYPE),
    "dates": (lambda: [np.zeros(3, "M8[s]")], ld.DtypeError, NOT_A_NUMBER_TYPE),
    "a set": (lambda: {1.0, 2.0}, ld.ArrayError, (NOT_A_COLLECTION, "got set")),
    "bytes": (lambda: b"w", ld.DtypeError, ("Parameter 0 is a int",)),
}


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_no_message_advises_to_train_a_copy(case):
    make, error, _ = BAD_PARAMETERS[case]
    with pytest.raises(error) as caught:
        every_state(make())
    advice = ("astype", "ascontiguousarray", ".copy()", "pass a copy", "plain copy")
    assert [part for part in advice if part in str(caught.value)] == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_parameters_that_cannot_be_updated_are_refused(case, backend):
    make, error, parts = BAD_PARAMETERS[case]
    with pytest.raises(error) as caught:
        every_state(make(), backend=backend)
    assert_says(caught, parts)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_refused_parameter_leaves_the_others_as_they_were(backend):
    good = floats(3)
    with pytest.raises(ld.DtypeError):
        every_state([good, np.arange(3)], backend=backend)
    assert (good == floats(3)).all()


def test_neighbours_in_one_buffer_do_not_overlap():
    buffer = floats(10)
    learner = every_state([buffer[:4], buffer[4:]])
    learner.update([floats(4), floats(6)])
    apart = every_state([floats(10)[:4].copy(), floats(10)[4:].copy()])
    apart.update([floats(4), floats(6)])
    assert contents(learner) == contents(apart)


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty_arrays_overlap_with_nothing(backend):
    empty = floats(0)
    learner = every_state([empty, empty, BUFFER[3:3], BUFFER.copy()], backend=backend)
    assert learner.update([empty, empty, empty, floats(10)])


@pytest.mark.parametrize("backend", BACKENDS)
def test_names_of_different_types_are_accepted(backend):
    learner = every_state({"a": floats(0), 1: floats(0), 2: floats(3)}, backend=backend)
    assert list(learner.parameters) == ["a", 1, 2]


@pytest.mark.parametrize("backend", ["gpu", "Numpy", "", None])
def test_an_unknown_backend_is_refused_with_the_known_ones(backend):
    with pytest.raises(ld.HyperparameterError) as caught:
        every_state([floats(3)], backend=backend)
    assert_says(caught, (f"backend={backend!r} is not known", "'auto', 'cpu', 'cuda', 'numpy'"))


def test_an_unknown_way_with_gradients_that_are_not_finite_is_refused():
    with pytest.raises(ld.HyperparameterError) as caught:
        every_state([floats(3)], nonfinite="ignore")
    assert_says(caught, ("nonfinite='ignore' is not known", "'propagate', 'skip', 'raise'"))


@pytest.mark.parametrize("place", [0, 16, 100, 2048])
def test_states_neither_follow_stores_of_others_nor_share_their_sets(place):
    memory = np.zeros(4 * 5000 + 8192, np.uint8)
    first = -memory.ctypes.data % 4096 + place
    p = memory[first : first + 4 * 5000].view(np.float32)
    states = list(amsgrad([p]).state[0].values())
    assert [s.ctypes.data % 64 for s in states] == [0, 0, 0]
    lines = [array.ctypes.data // 64 % 64 for array in (p, *states)]
    apart = [(a - b) % 64 for a in lines for b in lines if a is not b]
    assert len(apart) == 12
    assert min(apart) >= 7
