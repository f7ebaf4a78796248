"""Every reduction of the table: over tensors, the model and axes, with NaN and over nothing."""

import numpy as np
import pytest
import sympy

import learnerdsl as ld
from learnerdsl.expr import REDUCTIONS
from learnerdsl.monoids import MONOIDS

rng = np.random.default_rng(5)
SHAPES = [(3, 4), (5, 2), (0, 2), (1, 1)]
GRADIENTS = [rng.uniform(-2, 2, shape) for shape in SHAPES]


def learned(rule, backend, dtype="float64", gradients=GRADIENTS):
    params = [np.zeros(g.shape, dtype) for g in gradients]
    learner = rule(params, backend=backend)
    learner.update([g.astype(dtype) for g in gradients])
    return learner


def everywhere(name):
    reduction = getattr(ld, name)

    def rule(p, g):
        states = {
            "whole": ld.assign(ld.state("whole", shape="tensor"), reduction(g)),
            "all_of_it": ld.assign(
                ld.state("all_of_it", shape="model"), reduction(g, over="model")
            ),
            "along": ld.assign(ld.state("along", shape="rows"), reduction(g, axis=-1)),
            "across": ld.assign(ld.state("across", shape="cols"), reduction(g, axis=0)),
            "twice": ld.assign(ld.state("twice", shape="tensor"), reduction(reduction(g, axis=0))),
        }
        return ld.combine([*states.values(), ld.assign(p, p + reduction(g, axis=0))])

    return ld.rule(rule)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("name", MONOIDS)
def test_reduction_is_that_of_numpy(name, backend):
    learner = learned(everywhere(name), backend)
    ufunc, start = MONOIDS[name].ufunc, MONOIDS[name].identity
    whole = [ufunc.reduce(g, None, initial=start) for g in GRADIENTS]
    np.testing.assert_allclose(learner.model_state["all_of_it"], ufunc.reduce(whole), rtol=1e-14)
    for k, g in enumerate(GRADIENTS):
        state = learner.state[k]
        across = ufunc.reduce(g, 0, initial=start)
        np.testing.assert_allclose(state["whole"], whole[k], rtol=1e-14)
        np.testing.assert_allclose(state["across"], across, rtol=1e-14)
        np.testing.assert_allclose(state["along"], ufunc.reduce(g, 1, initial=start), rtol=1e-14)
        # Elements of an empty tensor are none, and so is what each of them would count for.
        if g.size:
            with np.errstate(invalid="ignore"):
                repeated = {"sum": len(g) * across, "prod": across ** len(g)}.get(name, across)
            twice = ufunc.reduce(repeated, None, initial=start)
            np.testing.assert_allclose(state["twice"], twice, rtol=1e-13)
        np.testing.assert_allclose(learner.parameters[k], np.broadcast_to(across, g.shape))


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("name", MONOIDS)
def test_nan_is_not_lost(name, backend):
    given = [np.array([[1.0, np.nan, 3.0], [0.5, 2.0, -1.0]])]
    learner = learned(everywhere(name), backend, gradients=given)
    assert np.isnan(learner.state[0]["whole"])
    assert np.isnan(learner.model_state["all_of_it"])
    np.testing.assert_array_equal(np.isnan(learner.state[0]["along"]), [True, False])
    np.testing.assert_array_equal(np.isnan(learner.state[0]["across"]), [False, True, False])


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("name", MONOIDS)
def test_many_chunks_are_joined(name, backend):
    reduction = getattr(ld, name)

    def rule(p, g):
        kept = ld.assign(ld.state("s", shape="tensor"), reduction(1 + g / 1e6))
        return ld.combine([kept, ld.assign(p, p - g)])

    given = [np.random.default_rng(1).uniform(-1, 1, 40_000)]
    learner = learned(ld.rule(rule), backend, gradients=given)
    expected = MONOIDS[name].ufunc.reduce(1 + given[0] / 1e6)
    np.testing.assert_allclose(learner.state[0]["s"], expected, rtol=1e-11)


@pytest.mark.parametrize("name", MONOIDS)
def test_variants_join_what_they_find(name):
    reduction = getattr(ld, name)

    def rule(p, g):
        found = reduction(g, over="model")
        return ld.assign(p, p + found if ld.ndim(p) == 2 else p - found)

    given = [np.array([[0.5, 3.0], [1.5, 2.0]]), np.array([0.25, 4.0])]
    learner = learned(ld.rule(rule), "cpu", gradients=given)
    found = MONOIDS[name].ufunc.reduce(np.concatenate([g.ravel() for g in given]))
    np.testing.assert_allclose(learner.parameters[0], np.full((2, 2), found))
    np.testing.assert_allclose(learner.parameters[1], np.full(2, -found))


@pytest.mark.parametrize("name", MONOIDS)
def test_third_judge_knows_the_reduction_and_its_derivative(name):
    reduction = getattr(ld, name)

    def rule(p, g):
        product = reduction(1 + g**2 / 8) * reduction(2 + ld.tanh(p), axis=0)
        slope = sympy.diff(reduction(p**2 + 1), p)
        return ld.combine([ld.assign(ld.state("s"), product + slope), ld.assign(p, p - g / 4)])

    ld.check(ld.rule(rule), [np.ones((2, 3))]).raise_if_wrong()


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_any_all_and_count(backend):
    def rule(p, g):
        found = (
            ld.count(g > 0),
            ld.where(ld.any(g > 1.5), 1, 0),
            ld.where(ld.all(g > -1), 1, 0),
            ld.count(g > 0, axis=0) + 10 * ld.where(ld.any(g < -1, axis=0), 1, 0),
        )
        shapes = ("tensor", "tensor", "tensor", "cols")
        kept = [
            ld.assign(ld.state(f"s{k}", shape=shape), value)
            for k, (shape, value) in enumerate(zip(shapes, found, strict=True))
        ]
        return ld.combine([*kept, ld.assign(p, p - g)])

    learner = learned(ld.rule(rule), backend)
    for k, g in enumerate(GRADIENTS):
        state = learner.state[k]
        assert state["s0"] == np.sum(g > 0)
        assert state["s1"] == np.any(g > 1.5)
        assert state["s2"] == np.all(g > -1)
        expected = np.sum(g > 0, 0) + 10 * np.any(g < -1, 0)
        np.testing.assert_array_equal(state["s3"], expected)


def test_every_row_has_a_node_and_the_codes_differ():
    assert set(REDUCTIONS) == set(MONOIDS)
    assert sorted(m.code for m in MONOIDS.values()) == list(range(len(MONOIDS)))


@pytest.mark.parametrize(("name", "words"), [("min", "minimum(a, b)"), ("prod", "a * b")])
def test_a_second_value_is_refused_with_what_to_write(name, words):
    def rule(p, g):
        return ld.assign(p, getattr(ld, name)(p, g))

    with pytest.raises(ld.RuleError) as caught:
        ld.rule(rule).trace()
    assert words in str(caught.value)
