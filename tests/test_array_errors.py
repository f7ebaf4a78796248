"""Arrays that cannot be used: which error it is, what it says, and that nothing has changed."""

import numpy as np
import pytest
from fixtures_runtime import BACKENDS, contents, every_state, gradients, parameters, train

import learnerdsl as ld


def floats(*shape, dtype=np.float32):
    """New numbers, all different."""
    return np.arange(1, 1 + np.prod(shape, dtype=int), dtype=dtype).reshape(shape)


def misaligned(*shape):
    """A float32 array whose first byte is at an odd address."""
    size = 4 * np.prod(shape, dtype=int)
    return np.zeros(size + 1, np.uint8)[1:].view(np.float32).reshape(shape)


def read_only(array):
    """The same array, which refuses to be written."""
    array.setflags(write=False)
    return array


def assert_says(caught, parts):
    """Assert that the message of an error has all of these parts."""
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message


# Parameters

BUFFER = floats(10)
NOT_A_NUMBER_TYPE = ("which cannot be updated", "float32, float64", "array.astype('float32')")
NOT_CONTIGUOUS = ("is not contiguous in row-major order", "numpy.ascontiguousarray(array)")
NOT_PLAIN = ("is not aligned or has foreign byte order", "a plain copy")
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
    "nested dict": (lambda: {"a": {"b": floats(3)}}, ld.DtypeError, ("Parameter 'a' is a dict",)),
    "integers": (lambda: {"w": np.arange(3)}, ld.DtypeError, ("Parameter 'w'", *NOT_A_NUMBER_TYPE)),
    "booleans": (lambda: [np.ones(3, bool)], ld.DtypeError, ("dtype bool", *NOT_A_NUMBER_TYPE)),
    "complex": (lambda: [np.ones(3, complex)], ld.DtypeError, ("complex128", *NOT_A_NUMBER_TYPE)),
    "objects": (lambda: [np.ones(3, object)], ld.DtypeError, ("object", *NOT_A_NUMBER_TYPE)),
    "float16": (lambda: [np.ones(3, np.float16)], ld.DtypeError, ("float16", *NOT_A_NUMBER_TYPE)),
    "texts": (lambda: [np.array(["a"])], ld.DtypeError, ("dtype str", *NOT_A_NUMBER_TYPE)),
    "mixed dtypes": (
        lambda: {"a": floats(3), "b": floats(3, dtype=np.float64)},
        ld.DtypeError,
        ("'a' of float32 and 'b' of float64", "one learner for each dtype"),
    ),
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
        ("Parameter 1 is read-only", "cannot be updated in place", "array.copy()"),
    ),
    "overlapping views": (
        lambda: {"a": BUFFER[:6], "b": BUFFER[5:]},
        ld.ArrayError,
        ("'a' and 'b' overlap in memory", "or a copy"),
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
}


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


# Gradients: a case makes bad ones out of a learner's parameters and good ones. The good ones among
# them are new arrays with other numbers, so that using them would be seen.


def changed(form, good, **bad):
    """New arrays in place of the good ones, but for the bad ones given by name."""
    new = {"w": good["w"] + 1, "b": good["b"] + 1, **bad}
    return new if form == "dict" else list(new.values())


def case(error, *parts, **makers):
    """A bad gradient for some of the parameters."""

    def make(form, own, good):
        return changed(form, good, **{name: maker(own, good) for name, maker in makers.items()})

    return make, error, parts


def whole(error, *parts, make):
    """Gradients that are wrong as a whole."""
    return make, error, parts


BAD_GRADIENTS = {
    "wrong shape": case(
        ld.ArrayError, "has shape (5,), its parameter (4,)", b=lambda own, good: floats(5)
    ),
    "transposed shape": case(
        ld.ArrayError, "has shape (4, 3), its parameter (3, 4)", w=lambda own, good: floats(4, 3)
    ),
    "flat": case(ld.ArrayError, "has shape (12,)", w=lambda own, good: floats(12)),
    "0-d": case(ld.ArrayError, "has shape ()", b=lambda own, good: np.array(1, np.float32)),
    "first of both": case(
        ld.ArrayError, "shape (1,)", w=lambda own, good: floats(1), b=lambda own, good: floats(1)
    ),
    "float64": case(
        ld.DtypeError,
        "has dtype float64, its parameter float32; pass gradient.astype('float32')",
        b=lambda own, good: good["b"].astype(np.float64),
    ),
    "float16": case(
        ld.DtypeError, "has dtype float16", w=lambda own, good: good["w"].astype(np.float16)
    ),
    "integers": case(ld.DtypeError, "has dtype int", b=lambda own, good: good["b"].astype(int)),
    "big-endian": case(
        ld.LearnerError, "The gradient of", b=lambda own, good: floats(4, dtype=">f4")
    ),
    "misaligned": case(ld.ArrayError, *NOT_PLAIN, w=lambda own, good: misaligned(3, 4)),
    "Fortran order": case(
        ld.ArrayError, *NOT_CONTIGUOUS, w=lambda own, good: np.asfortranarray(good["w"])
    ),
    "strided": case(ld.ArrayError, *NOT_CONTIGUOUS, b=lambda own, good: floats(8)[::2]),
    "broadcast": case(
        ld.ArrayError, *NOT_CONTIGUOUS, b=lambda own, good: np.broadcast_to(np.float32(1), (4,))
    ),
    "list": case(ld.DtypeError, "is a list; pass a numpy", w=lambda own, good: good["w"].tolist()),
    "number": case(ld.DtypeError, "is a float; pass a numpy.ndarray", b=lambda own, good: 1.0),
    "None": case(ld.DtypeError, "is a NoneType; pass a numpy.ndarray", w=lambda own, good: None),
    "its own parameter": case(
        ld.ArrayError, "in memory; pass a copy of it", w=lambda own, good: own["w"]
    ),
    "a view of its own parameter": case(
        ld.ArrayError, "in memory", b=lambda own, good: own["b"].reshape(1, 4)[0]
    ),
    "a row of another parameter": case(
        ld.ArrayError, "overlaps parameter", "in memory", b=lambda own, good: own["w"][2]
    ),
    "the end of another parameter": case(
        ld.ArrayError, "overlaps parameter", b=lambda own, good: own["w"].reshape(12)[8:]
    ),
    "swapped": case(
        ld.ArrayError, "has shape", w=lambda own, good: good["b"], b=lambda own, good: good["w"]
    ),
    "missing": whole(
        ld.UnknownNameError,
        "Gradients do not match the parameters: missing",
        make=lambda form, own, good: {"w": good["w"]} if form == "dict" else [good["w"]],
    ),
    "none": whole(
        ld.UnknownNameError, "missing", make=lambda form, own, good: {} if form == "dict" else []
    ),
    "extra": whole(
        ld.UnknownNameError,
        "not a parameter",
        make=lambda form, own, good: (
            {**good, "c": floats(2)} if form == "dict" else [*good.values(), floats(2)]
        ),
    ),
    "the other form": whole(
        ld.ArrayError,
        "Gradients must be a",
        "as the parameters are",
        make=lambda form, own, good: list(good.values()) if form == "dict" else good,
    ),
    "dict of numbers": whole(
        ld.LearnerError,
        "Gradients ",
        make=lambda form, own, good: {0: good["w"], 1: good["b"]},
    ),
    "generator": whole(
        ld.ArrayError, "generator", make=lambda form, own, good: (array for array in good.values())
    ),
    "nothing": whole(ld.ArrayError, "NoneType", make=lambda form, own, good: None),
    "a number": whole(ld.ArrayError, "float", make=lambda form, own, good: 1.0),
    "text": whole(ld.LearnerError, "str", make=lambda form, own, good: "wb"),
    "bare array": whole(
        ld.ArrayError, "Gradients must be", make=lambda form, own, good: floats(2, 4)
    ),
}


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture(params=["dict", "list"])
def form(request):
    return request.param


def trained(form, backend):
    """A learner after two updates, and the gradients of the second one."""
    learner = every_state(parameters(form), backend=backend, lr=0.05)
    train(learner, [0])
    last = gradients(learner, 1)
    learner.update(last, minibatch_size=3)
    return learner, last


def bad_gradients(case, form, learner, last):
    """The gradients of a case, and the error they are to raise."""
    make, error, parts = BAD_GRADIENTS[case]
    own = dict(zip(("w", "b"), learner.parameters.values(), strict=True))
    good = last if form == "dict" else dict(zip(("w", "b"), last, strict=True))
    return make(form, own, good), error, parts


@pytest.mark.parametrize("case", BAD_GRADIENTS)
def test_bad_gradients_are_refused(case, form, backend):
    learner, last = trained(form, backend)
    bad, error, parts = bad_gradients(case, form, learner, last)
    with pytest.raises(error) as caught:
        learner.update(bad)
    assert_says(caught, parts)


@pytest.mark.parametrize("case", BAD_GRADIENTS)
def test_bad_gradients_change_nothing(case, form, backend):
    learner, last = trained(form, backend)
    before = contents(learner)
    bad, error, _ = bad_gradients(case, form, learner, last)
    with pytest.raises(error):
        learner.update(bad, minibatch_size=7)
    assert contents(learner) == before


@pytest.mark.parametrize("case", BAD_GRADIENTS)
def test_updates_after_bad_gradients_are_as_if_these_had_never_been(case, form, backend):
    learner, last = trained(form, backend)
    expected, last_expected = trained(form, backend)
    bad, error, _ = bad_gradients(case, form, learner, last)
    with pytest.raises(error):
        learner.update(bad, minibatch_size=7)
    learner.update(last)
    expected.update(last_expected)
    train(learner, [2])
    train(expected, [2])
    assert contents(learner) == contents(expected)


@pytest.mark.parametrize("case", BAD_GRADIENTS)
def test_bad_gradients_are_refused_at_the_very_first_update(case, form):
    learner = every_state(parameters(form))
    before = contents(learner)
    bad, error, _ = bad_gradients(case, form, learner, gradients(learner, 0))
    with pytest.raises(error):
        learner.update(bad)
    assert contents(learner) == before


@pytest.mark.parametrize("case", ["missing", "extra", "wrong shape", "float64", "None"])
def test_the_message_names_the_parameter(case, form):
    learner, last = trained(form, "cpu")
    bad, error, _ = bad_gradients(case, form, learner, last)
    names = {"missing": ("b", 1), "extra": ("c", 2), "None": ("w", 0)}.get(case, ("b", 1))
    with pytest.raises(error) as caught:
        learner.update(bad)
    assert_says(caught, [repr(names[form == "list"])])


def test_an_overlap_is_reported_with_both_names():
    learner, last = trained("dict", "cpu")
    with pytest.raises(ld.ArrayError, match="The gradient of 'b' overlaps parameter 'w' in memory"):
        learner.update({"w": last["w"], "b": learner.parameters["w"][0]})


def test_missing_and_extra_gradients_are_reported_together():
    learner, last = trained("dict", "cpu")
    with pytest.raises(ld.UnknownNameError, match="missing 'b'; not a parameter: 'bias'"):
        learner.update({"w": last["w"], "bias": last["b"]})


# Gradients that can be used


def test_a_gradient_may_be_shared_by_two_parameters(backend):
    shared = floats(4)
    learner = every_state([floats(4), floats(4)], backend=backend)
    apart = every_state([floats(4), floats(4)], backend=backend)
    learner.update([shared, shared])
    apart.update([shared.copy(), shared.copy()])
    assert contents(learner) == contents(apart)


def test_a_tuple_of_gradients_does_for_a_list_of_parameters(backend):
    learner, _ = trained("list", backend)
    expected, _ = trained("list", backend)
    learner.update(tuple(gradients(learner, 5)))
    expected.update(gradients(expected, 5))
    assert contents(learner) == contents(expected)


def test_the_order_of_a_dict_of_gradients_does_not_matter(backend):
    learner, _ = trained("dict", backend)
    expected, _ = trained("dict", backend)
    learner.update(dict(reversed(gradients(learner, 5).items())))
    expected.update(gradients(expected, 5))
    assert contents(learner) == contents(expected)
