"""Gradients that cannot be used: which error it is, what it says, and that nothing has changed."""

import numpy as np
import pytest
from support.small_rules import BACKENDS, contents, every_state, gradients, parameters, train

import learnerdsl as ld


def floats(*shape, dtype=np.float32):
    """New numbers, all different."""
    return np.arange(1, 1 + np.prod(shape, dtype=int), dtype=dtype).reshape(shape)


def assert_says(caught, parts):
    """Assert that the message of an error has all of these parts."""
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message


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
    "integers": case(
        ld.DtypeError,
        "has dtype int64, its parameter float32; pass gradient.astype('float32')",
        b=lambda own, good: good["b"].astype(int),
    ),
    "booleans": case(ld.DtypeError, "has dtype bool", b=lambda own, good: np.ones(4, bool)),
    "complex": case(ld.DtypeError, "has dtype complex64", b=lambda own, good: np.ones(4, "c8")),
    "objects": case(ld.DtypeError, "has dtype object", b=lambda own, good: np.ones(4, object)),
    "texts": case(ld.DtypeError, "has dtype <U1", b=lambda own, good: np.full(4, "a")),
    "structured": case(ld.DtypeError, "has dtype [", b=lambda own, good: np.zeros(4, "f4, f4")),
    "dates": case(ld.DtypeError, "has dtype dat", b=lambda own, good: np.zeros(4, "M8[s]")),
    "masked": case(
        ld.ArrayError,
        "is a masked array, whose mask would be ignored; pass array.filled(0.0)",
        b=lambda own, good: np.ma.masked_array(good["b"], [1, 0, 0, 0]),
    ),
    "masked without a mask": case(
        ld.ArrayError, "masked array", b=lambda own, good: np.ma.masked_array(good["b"])
    ),
    "NumPy number": case(ld.DtypeError, "is a float32", b=lambda own, good: np.float32(1)),
    "nested list": case(
        ld.DtypeError, "is a list; pass a numpy", w=lambda own, good: [list(good["w"])]
    ),
    "empty": case(ld.ArrayError, "has shape (0,)", b=lambda own, good: floats(0)),
    "Ellipsis": case(ld.DtypeError, "is a ellipsis", b=lambda own, good: ...),
    "a huge number": case(ld.DtypeError, "is a int", b=lambda own, good: 10**400),
    "a class": case(ld.DtypeError, "is a type", b=lambda own, good: np.ndarray),
    "rows of another table": case(
        ld.ArrayError,
        "has shape (4, 4), its parameter (3, 4)",
        w=lambda own, good: ld.RowSparse([0], floats(1, 4), (4, 4)),
    ),
    "rows that overlap their parameter": case(
        ld.ArrayError,
        "overlaps parameter",
        w=lambda own, good: ld.RowSparse([0], own["w"][1:2], (3, 4)),
    ),
    "list": case(ld.DtypeError, "is a list; pass a numpy", w=lambda own, good: good["w"].tolist()),
    "number": case(ld.DtypeError, "is a float; pass a numpy.ndarray", b=lambda own, good: 1.0),
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
    "a set": whole(ld.ArrayError, "set", make=lambda form, own, good: {1.0, 2.0}),
    "Ellipsis for all": whole(ld.ArrayError, "ellipsis", make=lambda form, own, good: ...),
    "bytes": whole(ld.LearnerError, "Gradients ", make=lambda form, own, good: b"abc"),
    "a view of the values": whole(
        ld.ArrayError,
        "Gradients must be",
        "dict_values",
        make=lambda form, own, good: changed("dict", good).values(),
    ),
    "one after the other": whole(
        ld.UnknownNameError,
        "not a parameter",
        make=lambda form, own, good: (
            {"b": good["b"], "w": good["w"], "w ": good["w"]}
            if form == "dict"
            else [good["w"], good["b"], good["w"]]
        ),
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


@pytest.mark.parametrize("case", ["missing", "extra", "wrong shape", "integers"])
def test_the_message_names_the_parameter(case, form):
    learner, last = trained(form, "cpu")
    bad, error, _ = bad_gradients(case, form, learner, last)
    names = {"missing": ("b", 1), "extra": ("c", 2)}.get(case, ("b", 1))
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
