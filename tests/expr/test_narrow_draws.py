"""Random numbers of the model, of tensors and of axes: the generator's own, and independent."""

import numpy as np
import pytest
from support.rules_of_draws import CASES, axes, of_model, thinned

import learnerdsl as ld
from learnerdsl.expr import NUMBER_OF_MODEL
from learnerdsl.interpret import philox

SEED = 2**33 + 5
WIDTH = {"float32": 1e-6, "float64": 1e-14}
"""Largest relative difference of a number that is stored in a dtype."""
of_every_rule = pytest.mark.parametrize(
    ("rule", "shapes"), CASES, ids=[rule.name for rule, _ in CASES]
)


def numbers(kind, stream, step=1, tensor=0, count=1, seed=SEED):
    """The generator's numbers for the indices 0, 1, ... in float64, from its words."""
    a, b, c, d = philox(np.arange(count, dtype=np.uint64), stream, seed, step, tensor)
    u, v = (((x << 21) ^ (y >> 11)) * 2.0**-53 for x, y in ((a, b), (c, d)))
    return u if kind == "uniform" else np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v)


def drawn(shapes, shape, kind="normal", steps=1, dtype="float64", **settings):
    """What a call draws in each step, for each tensor or for the model."""

    @ld.rule
    def rule(p, g):
        kept = ld.assign(ld.state("kept", shape=shape), getattr(ld, kind)(shape=shape))
        return ld.combine([kept, ld.assign(p, p - g)])

    learner, found = rule([np.ones(s, dtype) for s in shapes], **settings), []
    for _ in range(steps):
        learner.update([np.zeros(s, dtype) for s in shapes])
        own = [np.array(learner.state[k].get("kept", np.nan)) for k in range(len(shapes))]
        found.append(learner.model_state["kept"] if shape == "model" else own)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_numbers_are_those_of_the_generator(kind, backend, dtype):
    given = {"steps": 3, "dtype": dtype, "backend": backend, "seed": SEED}
    shapes = ((4, 3), (2, 5))
    of_tensors = drawn(shapes, "tensor", kind, **given)
    the_models = drawn(shapes, "model", kind, **given)
    rows, cols = drawn(shapes, "rows", kind, **given), drawn(shapes, (-1,), kind, **given)
    for step in range(3):
        one = numbers(kind, 1, step + 1, NUMBER_OF_MODEL)[0]
        assert the_models[step] == pytest.approx(one, rel=1e-14)
        for k, (n, m) in enumerate(shapes):
            own = numbers(kind, 1, step + 1, k, max(n, m))
            assert of_tensors[step][k] == pytest.approx(own[0], rel=1e-14)
            np.testing.assert_allclose(rows[step][k], own[:n], rtol=WIDTH[dtype])
            np.testing.assert_allclose(cols[step][k], own[:m], rtol=WIDTH[dtype])


def test_middle_axes_are_numbered_without_the_others():
    (((found,),)) = drawn(((2, 3, 4, 2),), (1, 3))
    assert found.shape == (3, 2)
    np.testing.assert_allclose(found.ravel(), numbers("normal", 1, count=6, seed=0), rtol=1e-14)


def test_all_axes_are_the_elements():
    for shape in ((0, 1), (-1, 0), ("rows", "cols")):
        np.testing.assert_array_equal(
            drawn(((3, 4),), shape, "uniform", dtype="float32")[0][0],
            drawn(((3, 4),), "element", "uniform", dtype="float32")[0][0],
        )


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_numbers_have_their_distribution_over_tensors_and_steps(kind):
    found = np.array(drawn([(1,)] * 50, "tensor", kind, steps=100))
    mean, variance = {"normal": (0, 1), "uniform": (1 / 2, 1 / 12)}[kind]
    fourth = {"normal": 3, "uniform": 1 / 80}[kind]
    n = found.size
    assert abs(found.mean() - mean) < 5 * np.sqrt(variance / n)
    assert abs(found.var() - variance) < 5 * np.sqrt((fourth - variance**2) / n)
    deviations = (found - mean) / np.sqrt(variance)
    for one, other in ((1, 0), (0, 1), (1, 1)):
        pairs = deviations[one:, other:] * deviations[: 100 - one, : 50 - other]
        assert abs(pairs.mean()) < 5 / np.sqrt(pairs.size)


def test_a_coin_is_fair_and_models_have_numbers_in_every_step():
    flips = np.array(drawn([(3, 2)], "model", "uniform", steps=3000))
    assert abs((flips < 0.5).mean() - 0.5) < 5 * np.sqrt(0.25 / 3000)
    assert len(np.unique(flips)) == 3000


@ld.rule
def of_all_shapes(p, g):
    """Every shape twice, stored."""
    given = ["element", "tensor", "model", "rows", "cols", (0,), ld.sides("rows", "rows")]
    new = []
    for k, shape in enumerate(given * 2):
        kept = ld.state(f"s_{k}", shape=shape)
        new.append(ld.assign(kept, ld.normal(shape=shape)))
    return ld.combine([*new, ld.assign(p, p - g)])


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_no_two_draws_of_a_rule_are_alike(backend):
    learner = of_all_shapes([np.ones((4, 5)), np.ones((3, 3))], backend=backend)
    found = []
    for _ in range(2):
        learner.update([np.ones((4, 5)), np.ones((3, 3))])
        found += [np.array(a).ravel() for k in (0, 1) for a in learner.state[k].values()]
        found += [np.array([value]) for value in learner.model_state.values()]
    every = np.concatenate(found)
    assert len(np.unique(every)) == every.size


def test_numbers_do_not_depend_on_threads():
    ends = []
    for is_parallel in (False, True):
        params = [np.ones((300, 200), np.float32), np.ones((500, 90), np.float32)]
        learner = axes(params, seed=2)
        learner._engine.use_threads(is_parallel)
        for _ in range(2):
            learner.update([np.ones_like(p) for p in params])
        ends.append(params)
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)


@of_every_rule
def test_a_resumed_learner_draws_on(rule, shapes, tmp_path):
    rng = np.random.default_rng(1)
    whole = [np.array(rng.standard_normal(s)) for s in shapes]
    gradients = [[np.array(rng.standard_normal(s)) for s in shapes] for _ in range(5)]
    learner = rule(whole, seed=4)
    for k, given in enumerate(gradients):
        if k == 2:
            learner.save(tmp_path / "state")
            parted = [p.copy() for p in whole]
        learner.update(given)
    resumed = rule(parted, seed=4)
    resumed.load(tmp_path / "state")
    for given in gradients[2:]:
        resumed.update(given)
    for one, other in zip(whole, parted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_updates_are_taken_back(backend):
    params = [np.ones((3, 4)), np.ones(5)]
    before = [p.copy() for p in params]
    learner = thinned(params, backend=backend, seed=6)
    for k in range(4):
        learner.update([np.full((3, 4), k + 1.0), np.ones(5)])
    assert np.abs(params[0] - 1).max() > 0
    for k in reversed(range(4)):
        learner.undo([np.full((3, 4), k + 1.0), np.ones(5)])
    for p, old in zip(params, before, strict=True):
        np.testing.assert_allclose(p, old, rtol=1e-12)


def test_groups_and_variants_share_the_numbers_of_the_model():
    @ld.rule
    def kinds(p, g, lr=1.0):
        own = ld.uniform(shape="rows") if ld.ndim(p) > 1 else 1
        return ld.assign(p, p - lr * ld.uniform(shape="model") * g + 0 * own)

    params = [np.zeros((3, 2)), np.zeros(4), np.zeros((2, 2))]
    learner = kinds(params, groups=[{"params": [2], "lr": 2.0}])
    learner.update([np.ones_like(p) for p in params])
    one = -numbers("uniform", 1, tensor=NUMBER_OF_MODEL, seed=0)[0]
    for p, scale in zip(params, (1, 1, 2), strict=True):
        np.testing.assert_allclose(p, scale * one, rtol=1e-14)


def test_rules_of_several_parameters_share_the_numbers_of_the_model():
    @ld.rule
    def other(p, g):
        return ld.assign(p, p - 2 * g * ld.uniform(shape="model"))

    params = [np.zeros((3, 2)), np.zeros(4)]
    learner = ld.by_parameter(lambda name, shape: other if len(shape) == 1 else of_model)(params)
    learner.update([np.ones_like(p) for p in params])
    np.testing.assert_allclose(params[1], 2 * params[0][0, 0], rtol=1e-14)


def test_rows_of_a_sparse_gradient_get_the_number_of_the_tensor():
    dense, sparse = np.zeros((6, 2)), np.zeros((6, 2))
    rows, values = np.array([1, 4]), np.ones((2, 2))
    full = np.zeros((6, 2))
    full[rows] = values
    for params, g in (([dense], full), ([sparse], ld.RowSparse(rows, values, (6, 2)))):
        learner = thinned(params, seed=1)
        for _ in range(5):
            learner.update([g])
    np.testing.assert_array_equal(dense, sparse)
    assert np.abs(dense).max() > 0


@pytest.mark.parametrize(
    "shape", [("cols",), 3, ("cols", "cols", 2), None, "row", (0.0,), (True,), np.ones(2)], ids=str
)
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_other_shapes_are_refused(kind, shape):
    @ld.rule
    def rule(p, g):
        return ld.assign(p, p - g * getattr(ld, kind)(shape=shape))

    with pytest.raises(ld.RuleError, match=rf"{kind}\(...\) cannot have shape .*; write 'element'"):
        rule([np.ones((3, 4))])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("rows", r"normal\(...\) of shape 'rows' needs a tensor with at least 2 axes"),
        ((1,), r"normal\(...\) has the axes \(1,\), but a tensor with 1 axes does not have all"),
        ((0, 3), r"write axes from -1 to 0"),
    ],
)
def test_axes_that_a_tensor_lacks_are_refused(shape, message):
    @ld.rule
    def rule(p, g):
        return ld.assign(p, p - g * ld.normal(shape=shape))

    with pytest.raises(ld.RuleError, match=message):
        rule([np.ones(3)])


@pytest.mark.parametrize(
    ("of_state", "of_draw", "message"),
    [
        ("model", "tensor", r"'s' cannot start from normal_1\(shape='tensor'\)"),
        ("tensor", "rows", "one number for each index of axes .* which holds one for each tensor"),
    ],
)
def test_states_with_fewer_values_do_not_start_from_numbers(of_state, of_draw, message):
    @ld.rule
    def rule(p, g):
        s = ld.state("s", init=ld.normal(shape=of_draw), shape=of_state)
        return ld.combine([ld.assign(s, s), ld.assign(p, p - s * g)])

    with pytest.raises(ld.RuleError, match=message):
        rule([np.ones((3, 4))])


def test_a_call_outside_a_rule_is_refused():
    with pytest.raises(ld.RuleError, match="was called outside a rule"):
        ld.normal(shape="tensor")
