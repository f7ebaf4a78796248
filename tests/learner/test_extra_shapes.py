"""Extra inputs with a number for each tensor, or with values along axes of the parameter."""

import pickle

import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl.errors import LearnerError
from learnerdsl.learners import adamw, muon, sgd
from learnerdsl.transforms import qk_clip

SHAPES = {"cube": (2, 3, 4), "matrix": (5, 4), "vector": (6,)}
BACKENDS = pytest.mark.parametrize("backend", ["cpu", "numpy"])


@ld.rule
def scaled(p, g, lr=0.1):
    """Gradient descent with rates for each tensor, row of blocks, row and column."""
    rate = ld.extra("rate", shape="tensor") * ld.extra("first", shape=(0,))
    if ld.ndim(p) > 1:
        rate = rate * ld.extra("of_rows", shape="rows") + ld.extra("of_cols", shape="cols")
    return ld.assign(p, p - lr * rate * g)


def given(seed, dtype=np.float64):
    """Parameters, gradients and extras."""
    rng = np.random.default_rng(seed)

    def draw(shape):
        return np.array(rng.standard_normal(shape), dtype)

    matrices = {n: s for n, s in SHAPES.items() if len(s) > 1}
    extras = {
        "rate": {n: float(rng.standard_normal()) for n in SHAPES},
        "first": {n: draw(s[0]) for n, s in SHAPES.items()},
        "of_rows": {n: draw(s[:-1]) for n, s in matrices.items()},
        "of_cols": {n: draw((*s[:-2], s[-1])) for n, s in matrices.items()},
    }
    params = {n: draw(s) for n, s in SHAPES.items()}
    return params, {n: draw(s) for n, s in SHAPES.items()}, extras


def by_hand(p, g, own):
    """The parameter after an update; `own` are the extras of it alone."""
    rate = own["rate"] * own["first"].reshape(-1, *[1] * (p.ndim - 1))
    if p.ndim > 1:
        rate = rate * own["of_rows"][..., None] + np.expand_dims(own["of_cols"], -2)
    return p - 0.1 * rate * g


def of_one(extras, name):
    """The extras of one parameter."""
    return {n: values[name] for n, values in extras.items() if name in values}


@BACKENDS
@pytest.mark.parametrize("form", [dict, list])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_of_every_shape_follow_numpy(backend, form, dtype):
    params, _, _ = given(0, dtype)
    expected = {n: np.array(p, np.float64) for n, p in params.items()}

    def formed(values):
        return values if form is dict else [values.get(n) for n in SHAPES]

    learner = scaled(formed(params), backend=backend)
    assert learner.extras == ("rate", "first", "of_rows", "of_cols")
    for seed in range(1, 4):
        _, gradients, extras = given(seed, dtype)
        learner.update(formed(gradients), **{n: formed(v) for n, v in extras.items()})
        expected = {n: by_hand(p, gradients[n], of_one(extras, n)) for n, p in expected.items()}
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    for name, p in params.items():
        np.testing.assert_allclose(p, expected[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_function_on_arrays_agrees(dtype):
    params, _, _ = given(0, dtype)
    assert ld.check(scaled, params).ok


@BACKENDS
def test_narrow_parameters_take_them_too(backend):
    params = {"w": np.ones((2, 3), np.float16)}
    learner = ld.chain(sgd, qk_clip)(params, backend=backend, lr=0.0)
    learner.update({"w": np.zeros((2, 3), np.float16)}, max_logit={"w": np.array([1, 400])})
    np.testing.assert_array_equal(params["w"][:, 0], [1.0, 0.5])


BAD = {
    "shape": ("first", np.ones(5), r"first of 'cube' has shape \(5,\).*asks for shape \(2,\)"),
    "number": ("first", 2.0, "first of 'cube' is a float; pass an array"),
    "list": ("first", [1.0, 2.0], "first of 'cube' is a list; pass an array"),
    "text": ("first", np.array(["a", "b"]), "first of 'cube' has dtype <U1"),
    "mask": ("first", np.ma.masked_array([1.0, 2.0]), "first of 'cube' is a MaskedArray"),
    "complex": ("first", np.ones(2, complex), "must hold real numbers"),
    "None": ("first", None, "first do not match the parameters: missing 'cube'"),
    "array": ("rate", np.ones(2), "rate of 'cube' must be a number"),
    "word": ("rate", "1", "rate of 'cube' must be a number"),
    "large": ("rate", 10**400, "rate of 'cube' is 1000.* too large for float64"),
}


@BACKENDS
@pytest.mark.parametrize("what", BAD)
def test_a_value_that_does_not_fit_is_refused_and_nothing_changes(what, backend):
    params, gradients, extras = given(0)
    learner = scaled(params, backend=backend)
    learner.update(gradients, **extras)
    before = {n: p.copy() for n, p in params.items()}
    name, value, message = BAD[what]
    other = given(1)[2]
    other[name]["cube"] = value
    with pytest.raises(LearnerError, match=message):
        learner.update(gradients, **other)
    assert all((params[n] == before[n]).all() for n in params)
    assert learner.step_count == 1


NAMES = {
    "missing": ({"cube": 1.0}, "rate do not match the parameters: missing 'matrix', 'vector'"),
    "unknown": (dict.fromkeys([*SHAPES, "w"], 1.0), "not a parameter: 'w'"),
    "form": ([1.0, 2.0, 3.0], "rate must be a dict, as the parameters are, got list"),
    "one": (1.0, "rate must be a dict, as the parameters are, got float"),
}


@pytest.mark.parametrize("what", NAMES)
def test_names_that_do_not_fit_are_refused(what):
    params, gradients, extras = given(0)
    values, message = NAMES[what]
    with pytest.raises(LearnerError, match=message):
        scaled(params).update(gradients, **{**extras, "rate": values})


def test_a_parameter_whose_rule_takes_none_gets_none():
    params, gradients, extras = given(0)
    extras["of_rows"]["vector"] = np.ones(6)
    with pytest.raises(ld.UnknownNameError, match="of_rows of 'vector' is given, but its rule"):
        scaled(params).update(gradients, **extras)
    extras["of_rows"]["vector"] = None
    assert scaled(params).update(gradients, **extras)


@BACKENDS
def test_parameters_without_a_gradient_need_no_values(backend):
    params, gradients, extras = given(0)
    before = {n: p.copy() for n, p in params.items()}
    learner = scaled(params, backend=backend)
    del extras["first"]["cube"], extras["rate"]["cube"]
    learner.update({**gradients, "cube": None}, **extras)
    assert (params["cube"] == before["cube"]).all()
    wanted = by_hand(before["matrix"], gradients["matrix"], of_one(extras, "matrix"))
    np.testing.assert_allclose(params["matrix"], wanted, rtol=1e-14)
    extras = given(1)[2]
    learner.update(gradients, **extras)
    wanted = by_hand(before["cube"], gradients["cube"], of_one(extras, "cube"))
    np.testing.assert_allclose(params["cube"], wanted, rtol=1e-14)


@BACKENDS
def test_frozen_parameters_need_no_values(backend):
    params, gradients, extras = given(0)
    before = {n: p.copy() for n, p in params.items()}
    learner = scaled(params, backend=backend, groups=[{"params": ["cube"], "frozen": True}])
    for values in extras.values():
        values.pop("cube", None)
    learner.update(gradients, **extras)
    assert (params["cube"] == before["cube"]).all()
    assert not (params["matrix"] == before["matrix"]).all()


def test_nested_parameters_have_nested_values():
    params, gradients, extras = given(0)
    nested = {"layer": {"cube": params["cube"], "matrix": params["matrix"]}}
    before = {n: p.copy() for n, p in params.items()}
    own = {n: {"layer": {k: v[k] for k in nested["layer"]}} for n, v in extras.items()}
    scaled(nested).update({"layer": {k: gradients[k] for k in nested["layer"]}}, **own)
    for name in nested["layer"]:
        wanted = by_hand(before[name], gradients[name], of_one(extras, name))
        np.testing.assert_allclose(params[name], wanted, rtol=1e-14)


@BACKENDS
def test_values_have_the_shape_in_which_the_rule_sees_the_parameter(backend):
    params = {"w": np.ones((6, 4))}
    chain = ld.chain(sgd, qk_clip)
    learner = chain(params, backend=backend, lr=0.0, reshape=lambda name, shape: (2, 3, -1))
    learner.update({"w": np.zeros((6, 4))}, max_logit={"w": np.array([50.0, 400.0])})
    np.testing.assert_array_equal(params["w"], np.repeat([1.0, 0.5], 3)[:, None] * np.ones(4))
    with pytest.raises(
        ld.ArrayError, match=r"has shape \(6,\), but its rule asks for shape \(2,\)"
    ):
        learner.update({"w": np.zeros((6, 4))}, max_logit={"w": np.ones(6)})


MUONCLIP = ld.chain(muon, qk_clip)


@BACKENDS
def test_rules_of_one_learner_may_differ_in_them(backend):
    rule = ld.by_parameter(lambda name, shape: MUONCLIP if name == "q" else adamw)
    rng = np.random.default_rng(0)
    params = {n: rng.standard_normal((2, 3, 4)) for n in "qw"}
    alone = {n: p.copy() for n, p in params.items()}
    gradients = {n: rng.standard_normal((2, 3, 4)) for n in "qw"}
    learner = rule(params, backend=backend)
    learner.update(gradients, max_logit={"q": np.array([400.0, 99.0])})
    muon({"q": alone["q"]}).update({"q": gradients["q"]})
    adamw({"w": alone["w"]}).update({"w": gradients["w"]})
    alone["q"][0] *= 0.5
    for name, p in params.items():
        np.testing.assert_allclose(p, alone[name], rtol=1e-12)


def test_rules_of_one_learner_do_not_differ_in_numbers_of_the_model():
    @ld.rule
    def by_loss(p, g):
        return ld.assign(p, p - ld.extra("loss") * g)

    rule = ld.by_parameter(lambda name, shape: by_loss if name == "a" else sgd)
    with pytest.raises(
        ld.RuleError, match="extras, inputs besides the gradients, are loss and none"
    ):
        rule({"a": np.ones(2), "b": np.ones(2)})


def test_row_sparse_gradients_meet_numbers_of_tensors_only():
    @ld.rule
    def by_rate(p, g):
        return ld.assign(p, p - ld.extra("rate", shape="tensor") * g)

    sparse = ld.RowSparse([1], np.ones((1, 3)), (4, 3))
    for backend in ("cpu", "numpy"):
        params = [np.zeros((4, 3))]
        by_rate(params, backend=backend).update([sparse], rate=[2.0])
        np.testing.assert_array_equal(params[0][:, 0], [0, -2, 0, 0])
    with pytest.raises(ld.ArrayError, match="works on axes"):
        ld.chain(sgd, qk_clip)(params).update([sparse], max_logit=[np.ones(4)])


def test_a_refused_update_changes_nothing():
    params, gradients, extras = given(0)
    learner = scaled(params, nonfinite="skip")
    before = {n: p.copy() for n, p in params.items()}
    gradients["cube"][0] = np.nan
    assert not learner.update(gradients, **extras)
    assert all((params[n] == before[n]).all() for n in params)


@BACKENDS
def test_values_of_an_update_are_copied(backend):
    params, gradients, extras = given(0)
    kept = extras["first"]["matrix"]
    learner = scaled(params, backend=backend)
    for seed in range(2):
        kept[...] = np.arange(5) + seed
        before = params["matrix"].copy()
        learner.update(gradients, **extras)
        wanted = by_hand(before, gradients["matrix"], of_one(extras, "matrix"))
        np.testing.assert_allclose(params["matrix"], wanted, rtol=1e-14)


def test_checkpoints_do_not_hold_them():
    params, gradients, extras = given(0)
    learner = scaled(params)
    learner.update(gradients, **extras)
    assert not learner.state["cube"]
    saved = learner.state_dict()
    again = scaled({n: p.copy() for n, p in params.items()})
    again.load_state_dict(saved)
    for one in (learner, again):
        with pytest.raises(ld.UnknownNameError, match=r"needs rate=\.\.\., first=\.\.\."):
            one.update(gradients)
        one.update(gradients, **extras)
    for own, other in zip(params.values(), again.parameters.values(), strict=True):
        np.testing.assert_array_equal(own, other)


def test_an_update_is_undone_with_the_same_values():
    params, gradients, extras = given(0)
    before = {n: p.copy() for n, p in params.items()}
    learner = scaled(params)
    learner.update(gradients, **extras)
    learner.undo(gradients, **extras)
    for name, p in params.items():
        np.testing.assert_allclose(p, before[name], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("format", ["latex", "markdown"])
def test_exports_for_people_name_them(format):
    assert "rate" in scaled.export(format)


def test_cards_plans_and_sources_show_them():
    assert "first" in scaled.source("cuda", shape=(5, 4))
    assert "of_rows" in scaled.source("jax", shape=(5, 4))
    assert scaled.plan(shape=(5, 4)).passes
    scaled.card()


def test_traced_rules_with_them_are_pickled():
    traced = scaled.trace(shape=(5, 4))
    again = pickle.loads(pickle.dumps(traced))
    assert again.extras == traced.extras
    assert [e.shape for e in again.extras] == ["tensor", (0,), (0,), (1,)]


SHAPES_OF_EXTRAS = {
    "word": ("row", "write shape='model' for a number, 'tensor' for one for each parameter"),
    "nothing": (None, "cannot have shape None"),
    "array": (np.ma.zeros(3), "cannot have shape masked_array"),
    "set": (({1},), r"cannot have shape \(\{1\},\)"),
    "axis": ((2,), r"has the axes \(2,\), but a tensor with 2 axes does not have all"),
    "fraction": ((0.5,), r"cannot have shape \(0\.5,\)"),
    "side": (("rows", "depth"), "A side of a matrix cannot be 'depth'"),
}


@pytest.mark.parametrize("what", SHAPES_OF_EXTRAS)
def test_a_shape_that_an_extra_cannot_have_is_refused(what):
    shape, message = SHAPES_OF_EXTRAS[what]

    @ld.rule
    def rule(p, g):
        return ld.assign(p, p - ld.extra("x", shape=shape) * g)

    with pytest.raises(ld.RuleError, match=message):
        rule.trace(shape=(2, 3))


def test_rows_of_a_vector_are_refused():
    @ld.rule
    def rule(p, g):
        return ld.assign(p, p - ld.extra("x", shape="rows") * g)

    with pytest.raises(
        ld.RuleError, match="needs a tensor with at least 2 axes, but this one has 1"
    ):
        rule.trace(shape=(2,))


def test_negative_and_repeated_axes_are_counted_from_0():
    @ld.rule
    def rule(p, g):
        return ld.assign(p, p - ld.extra("x", shape=(-1, 1)) * ld.extra("y", shape=()) * g)

    assert [e.shape for e in rule.trace(shape=(2, 3)).extras] == [(1,), "tensor"]


def test_a_value_that_varies_does_not_fit_a_state_that_does_not():
    @ld.rule
    def rule(p, g):
        kept = ld.assign(ld.state("s", shape="tensor"), ld.extra("x", shape=(0,)))
        return ld.combine([kept, ld.assign(p, p - g)])

    with pytest.raises(ld.RuleError, match="one number for each index of axes"):
        rule([np.ones((2, 3))])


@BACKENDS
def test_states_keep_values_of_their_shape(backend):
    @ld.rule
    def rule(p, g):
        mean = ld.state("mean", shape=(0,))
        total = ld.state("total", shape="tensor")
        mean_new = ld.assign(mean, (mean + ld.extra("x", shape=(0,))) / 2)
        total_new = ld.assign(total, total + ld.sum(ld.extra("y", shape="cols")))
        return ld.assign(p, p - mean_new * total_new * g)

    params = [np.zeros((2, 3))]
    learner = rule(params, backend=backend)
    learner.update([np.ones((2, 3))], x=[np.array([2.0, 4.0])], y=[np.arange(3.0)])
    np.testing.assert_array_equal(learner.state[0]["mean"], [1, 2])
    assert learner.state[0]["total"] == 6  # each column is counted for both rows
    np.testing.assert_array_equal(params[0][:, 0], [-6, -12])
