"""Number types that cannot be: a sentence with what was written, why, and what to write instead."""

import numpy as np
import pytest
from support.precisions import BFLOAT16, copied

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.learners import (
    adam,
    adam_mini,
    adamw,
    came,
    lamb,
    muon,
    prodigy,
    sgd,
    shampoo,
    soap,
)

FLOAT32 = np.float32
COUNT = 600


@ld.rule
def every_shape(p, g, lr=0.1):
    """A rule with states of all shapes, one of which counts."""
    m = ld.state("m")
    n = ld.state("n")
    r = ld.state("r", shape="rows")
    t = ld.state("t", shape="tensor")
    d = ld.state("d", shape="model")
    past = ld.state("past", ring=2)
    lines = [
        ld.assign(m, m + g),
        ld.assign(n, n + 1),
        ld.assign(r, r + ld.mean(g, axis=-1)),
        ld.assign(t, t + ld.norm(g)),
        ld.assign(d, d + ld.norm(g, over="model")),
        ld.assign(past, g),
    ]
    return ld.combine([*lines, ld.assign(p, p - lr * g)])


@ld.rule
def declares(p, g, lr=0.1):
    v = ld.state("v", dtype="uint8")
    v_new = ld.assign(v, 0.9 * v + 0.1 * g**2)
    return ld.combine([v_new, ld.assign(p, p - lr * g / ld.sqrt(v_new + 1e-8))])


def params(*dtypes):
    return [np.ones((30, 20), dtype) for dtype in dtypes]


NARROW, WIDE = (BFLOAT16,), (FLOAT32,)
REFUSED = {
    "an unknown type": (adam, WIDE, {"states": "bf16"}, "'bf16'; choose one of float32, float64"),
    "a type of NumPy": (
        adam,
        WIDE,
        {"states": {"m": "int16"}},
        "A state cannot be stored as 'int16'",
    ),
    "a dtype": (adam, WIDE, {"states": {"m": np.int64}}, "cannot be stored as"),
    "no text": (adam, WIDE, {"states": 8}, "cannot be stored as 8; .* or a dict such as"),
    "a list": (adam, WIDE, {"states": ["int8"]}, "cannot be stored as .*; choose one of"),
    "an unknown state": (
        adam,
        WIDE,
        {"states": {"w": "int8"}},
        "adam has no state 'w'; its states",
    ),
    "a number as a name": (adam, WIDE, {"states": {1: "int8"}}, "adam has no state 1"),
    "no states": (sgd, WIDE, {"states": "bfloat16"}, "sgd has no state with a value per element"),
    "signs of a ring": (every_shape, WIDE, {"states": {"past": "uint8"}}, "'past' .* negative"),
    "a tensor's as it is": (every_shape, WIDE, {"states": {"t": "float64"}}, "is one number, .*"),
    "signs": (adam, WIDE, {"states": {"m": "uint8"}}, "'m' .* may be negative, .*; choose int8"),
    "signs for all": (adam, WIDE, {"states": "uint8"}, "may be negative, and uint8 cannot"),
    "a counter": (every_shape, WIDE, {"states": {"n": "bfloat16"}}, "counts, .*; choose float32"),
    "a counter in 8 bits": (every_shape, WIDE, {"states": {"n": "int8"}}, "'n' .* it counts"),
    "a tensor's": (every_shape, WIDE, {"states": {"t": "bfloat16"}}, "is one number, .*; leave it"),
    "a model's": (every_shape, WIDE, {"states": {"d": "float32"}}, "is one number, .* float64"),
    "rows in 8 bits": (every_shape, WIDE, {"states": {"r": "int8"}}, "'r' .* index of some axes"),
    "a square": (shampoo, WIDE, {"states": {"left": "bfloat16"}}, "is a matrix of its own"),
    "more bits": (adam, WIDE, {"states": "float64"}, "computed in float32, .*; leave it out"),
    "fewer of float64": (adam, (np.float64,), {"states": "bfloat16"}, "choose float64 or float32"),
    "8 of float64": (adam, (np.float64,), {"states": "int8"}, "belongs to a float64 parameter"),
    "row by row": (adam_mini, WIDE, {"states": "int8"}, "row by row, .*256.*; choose bfloat16"),
    "row by row too": (came, WIDE, {"states": {"m": "int8"}}, "rows break the blocks of 256"),
    "an unknown master": (
        adam,
        NARROW,
        {"master": "bf16"},
        "'float32', 'split16', 'split8', 'kahan'",
    ),
    "a master of float32": (adam, WIDE, {"master": "split16"}, "float32; write master=None"),
    "a master of float16": (
        adam,
        (np.float16,),
        {"master": "split16"},
        "write master='float32' or",
    ),
    "one of a mixture": (
        adam,
        (BFLOAT16, np.float16),
        {"master": "split8"},
        "there are parameters of",
    ),
    "True": (adam, NARROW, {"master": True}, "master must be one of .* or None, got True"),
    "a rounding": (adam, NARROW, {"rounding": "up"}, "'nearest', 'stochastic', got 'up'"),
    "no rounding": (adam, NARROW, {"rounding": None}, "rounding must be one of .*, got None"),
    "a list of roundings": (adam, NARROW, {"rounding": ["nearest"]}, "rounding must be one of"),
    "unknown products": (
        muon,
        WIDE,
        {"products": "tf32"},
        "products must be one of 'full', 'bfloat16' or None, got 'tf32'",
    ),
    "a list of products": (muon, WIDE, {"products": ["full"]}, "products must be one of"),
    "no products": (adam, WIDE, {"products": "bfloat16"}, "adam multiplies no matrices, so"),
    "a list of masters": (adam, NARROW, {"master": ["kahan"]}, "master must be one of"),
}


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(case, backend):
    rule, dtypes, arguments, sentence = REFUSED[case]
    arrays = params(*dtypes)
    with pytest.raises(ld.LearnerError, match=f"(?s){sentence}") as caught:
        rule(arrays, backend=backend, **arguments)
    message = str(caught.value)
    assert message.endswith(".")
    assert len(message) < 300
    assert all((p == 1).all() for p in arrays)


def test_names_of_rings_are_those_of_the_rule():
    learner = every_shape(params(FLOAT32), states={"past": "bfloat16", "m": "bfloat16"})
    assert {n for n, a in learner.state[0].items() if a.dtype == BFLOAT16} == {
        "past_1",
        "past_2",
        "m",
    }
    with pytest.raises(ld.UnknownNameError, match="its states are: m, n, r, t, d, past"):
        every_shape(params(FLOAT32), states={"past_1": "bfloat16"})


def test_a_choice_for_all_leaves_other_shapes_alone():
    arrays = params(BFLOAT16)
    learner = muon(arrays, states="bfloat16")
    assert {a.dtype for a in learner.state[0].values()} == {BFLOAT16}
    learner = soap(arrays, states="bfloat16")
    for name, array in learner.state[0].items():
        is_square = array.shape in ((30, 30), (20, 20))
        assert array.dtype == (FLOAT32 if is_square else BFLOAT16), name
    learner = prodigy(arrays, states="bfloat16")
    assert isinstance(learner.model_state["d"], float)


def test_a_rule_may_declare_the_type_of_a_state():
    p = np.ones(COUNT, FLOAT32)
    learner = declares([p])
    engine = copied(learner)
    assert engine["v"][0].dtype == np.uint8
    assert engine["v.scale"][0].shape == (3,)
    assert copied(declares([p], states={"v": "float32"}))["v"][0].dtype == FLOAT32
    assert copied(declares([p], states="bfloat16"))["v"][0].dtype == BFLOAT16
    assert copied(declares([np.ones(4)]))["v"][0].dtype == np.float64
    with pytest.raises(ld.LearnerError, match="belongs to a float64 parameter"):
        declares([np.ones(4)], states={"v": "uint8"})


@pytest.mark.parametrize("dtype", ["bf16", 8, np.float32, "int16", ["int8"]])
def test_a_rule_cannot_declare_an_unknown_type(dtype):
    @ld.rule
    def rule(p, g):
        m = ld.state("m", dtype=dtype)
        return ld.combine([ld.assign(m, g), ld.assign(p, p - m)])

    with pytest.raises(ld.LearnerError, match=r"cannot be stored as .*choose one of"):
        rule.trace()


def test_a_choice_that_fits_some_parameters_is_for_those():
    arrays = [np.ones(4, BFLOAT16), np.ones(4, FLOAT32)]
    learner = adamw(arrays, master="split16", states="bfloat16")
    assert [p.master for p in learner._precisions] == ["split16", ""]
    learner.update([np.ones(4, BFLOAT16), np.ones(4, FLOAT32)])
    weights = learner.master_parameters()
    np.testing.assert_array_equal(weights[0], weights[1])


UPDATES = {
    "a shape": lambda g: [g[:, :3]],
    "integers": lambda g: [np.ones(g.shape, int)],
    "complex numbers": lambda g: [np.ones(g.shape, complex)],
    "a list": lambda g: [[1.0]],
    "two": lambda g: [g, g],
    "a mask": lambda g: [np.ma.ones(g.shape, FLOAT32)],
    "a number type of ml_dtypes": lambda g: [g.astype("float8_e4m3fn")],
}


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("case", UPDATES)
@pytest.mark.parametrize(
    "arguments", [{"master": "split16"}, {"states": {"m": "int8", "v": "uint8"}}]
)
def test_a_refused_update_changes_nothing(arguments, case, backend):
    (p,) = params(BFLOAT16)
    learner = lamb([p], backend=backend, **arguments)
    gradient = np.full(p.shape, 0.5, BFLOAT16)
    learner.update([gradient])
    before = [p.tobytes(), {n: [a.tobytes() for a in own] for n, own in copied(learner).items()}]
    with pytest.raises(ld.LearnerError):
        learner.update(UPDATES[case](gradient.astype(FLOAT32)))
    with pytest.raises(ld.LearnerError):
        learner.update(UPDATES[case](gradient))
    after = [p.tobytes(), {n: [a.tobytes() for a in own] for n, own in copied(learner).items()}]
    assert before == after
    assert learner.step_count == 1
    learner.update([gradient])
    assert learner.step_count == 2


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("given", [BFLOAT16, FLOAT32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nonfinite_gradients_of_any_type_are_noticed(given, bad, backend):
    (p,) = params(BFLOAT16)
    for nonfinite in ("raise", "skip"):
        learner = adam([p], nonfinite=nonfinite, states="bfloat16", backend=backend)
        gradient = np.ones(p.shape, given)
        assert learner.update([gradient])
        before = p.tobytes(), learner.state[0]["m"].tobytes()
        gradient = np.ones(p.shape, given)
        gradient[3, 4] = bad
        if nonfinite == "skip":
            assert not learner.update([gradient])
        else:
            with pytest.raises(ld.NonFiniteError, match="Gradients of 0 hold NaN or infinity"):
                learner.update([gradient])
        assert (p.tobytes(), learner.state[0]["m"].tobytes()) == before
        assert learner.step_count == 1


def test_a_gradient_that_overlaps_a_second_array_is_refused():
    (p,) = params(BFLOAT16)
    learner = adam([p], master="float32")
    rest = learner._engine.states["parameter.rest"][0]
    with pytest.raises(ld.ArrayError, match="overlaps a state of 0"):
        learner.update([rest])


def test_a_rule_works_row_by_row_or_takes_8_bits():
    refused = set()
    for name in learners.__all__:
        try:
            getattr(learners, name)([np.ones((30, 20), FLOAT32)], states="int8", backend="numpy")
        except ld.LearnerError as error:
            refused |= {name} if "row by row" in str(error) else set()
    assert {"adam_mini", "came", "ranger"} <= refused
    assert len(refused) < 20
