"""Reductions over axes and states of axes: against NumPy by hand, the oracle, and other threads."""

from itertools import combinations

import numpy as np
import pytest
from support.axis_cases import SHAPES, TOLERANCE, assert_backends_agree, normal_arrays
from support.tiers import costly, slow

import learnerdsl as ld
from learnerdsl.expr import SumOver

DTYPES = ("float32", slow("float64"))


def choices(ndim):
    """All tuples of axes that can be reduced."""
    return [c for n in range(1, ndim + 1) for c in combinations(range(ndim), n)]


@ld.rule
def all_reductions(p, g, lr=0.5, kind="sum"):
    """A reduction over every choice of axes, each in a state of the others."""
    new, total = [], 0
    for axis in choices(ld.ndim(p)):
        left = tuple(a for a in range(ld.ndim(p)) if a not in axis)
        state = ld.state("of_" + "_".join(map(str, axis)), shape=left)
        # From either end, as a number where that is one.
        written = axis[0] - ld.ndim(p) if len(axis) == 1 else axis
        new.append(ld.assign(state, getattr(ld, kind)(g, axis=written)))
        total = total + new[-1]
    return ld.combine([*new, ld.assign(p, p - lr * total)])


def by_hand(kind, g, axis):
    """What a reduction is, in float64."""
    g = g.astype(np.float64)
    if kind == "max":
        return np.max(g, axis, initial=-np.inf)
    total = np.sum(g**2 if kind == "norm" else g, axis)
    with np.errstate(all="ignore"):
        count = np.prod([g.shape[a] for a in axis])
        return {"sum": total, "norm": np.sqrt(total), "mean": total / count}[kind]


def check_by_hand(kind, shapes, dtype, backend="cpu", gradients=None):
    params = normal_arrays(0, shapes, dtype)
    before = [p.copy() for p in params]
    gradients = gradients or normal_arrays(1, shapes, dtype)
    learner = all_reductions(params, kind=kind, backend=backend)
    learner.update(gradients)
    for k, (p, old, g) in enumerate(zip(params, before, gradients, strict=True)):
        total = 0.0
        for axis in choices(p.ndim):
            value = by_hand(kind, g, axis)
            got = learner.state[k]["of_" + "_".join(map(str, axis))]
            assert got.shape == value.shape
            np.testing.assert_allclose(got, value, **TOLERANCE[dtype], err_msg=f"{p.shape} {axis}")
            total = total + np.expand_dims(value, axis)
        tolerance = TOLERANCE[dtype]["rtol"] * max(10.0, g.size**0.5)
        np.testing.assert_allclose(p, old - 0.5 * total, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("kind", ["sum", slow("max"), costly("mean"), costly("norm")])
@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions_over_all_choices_of_axes_are_those_of_numpy(dtype, kind, backend):
    check_by_hand(kind, SHAPES, dtype, backend)


LARGE = ((3, 10_007), (9_001, 5), (300, 70), (70, 3, 65), (2, 4_100, 3))


@pytest.mark.parametrize("kind", ["sum", "max"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_long_rows_and_many_of_them_are_summed_in_parts(dtype, kind):
    check_by_hand(kind, LARGE, dtype)


@pytest.mark.parametrize("kind", ["sum", "max"])
def test_any_number_of_threads_gives_the_same_bits(kind):
    assert_backends_agree(all_reductions, LARGE, "float32", steps=1, kind=kind)


@pytest.mark.parametrize("kind", ["sum", "max"])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_nan_and_infinity_stay_in_their_rows(backend, kind):
    shape = (130, 70)
    g = normal_arrays(1, [shape], "float32")[0]
    g[3, 5], g[129, 0], g[70, 69], g[71, 69] = np.nan, np.inf, -np.inf, np.inf
    with np.errstate(invalid="ignore"):
        check_by_hand(kind, [shape], "float32", backend, [g])


@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors_meet_elements_functions_conditions_and_each_other(dtype):
    @ld.rule
    def rule(p, g, lr=0.1, low=0.3, keep=0.9):
        rows = ld.let("rows", ld.mean(g, axis=-1) + low)
        cols = ld.let("cols", ld.max(g * low, axis=0))
        both = ld.where((rows > 0) & (cols > low), rows * cols, ld.where(g > cols, p, rows))
        state = ld.state("kept", init=0.5, shape=(0,))
        rest = tuple(range(1, ld.ndim(p)))
        kept = ld.assign(state, keep * state + (1 - keep) * ld.sum(ld.abs(rows), axis=rest))
        scale = ld.tanh(rows) + ld.exp(-ld.maximum(cols, kept)) + ld.norm(kept) + ld.max(cols)
        inner = ld.sum(both**2 * scale, axis=0) / (1 + ld.sum(rows**2 * cols, axis=-1) ** 2)
        return ld.assign(p, p - lr * (both * scale + inner) / ld.size(p, axis=0))

    assert_backends_agree(rule, [(3, 4), (70, 5), (1, 1), (2, 3, 4), (2, 80, 60)], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_reduction_of_a_vector_counts_the_axes_that_it_lacks(dtype):
    @ld.rule
    def rule(p, g, lr=0.5):
        v = ld.let("v", ld.sum(g, axis=0))
        values = [ld.sum(v), ld.sum(v, axis=(0, 1)), ld.mean(v, axis=0), ld.max(v, axis=0)]
        return ld.assign(p, p - lr * sum(values) - ld.mean(v, over="model"))

    shapes = [(3, 4), (2, 3, 5)]
    params, gradients = normal_arrays(0, shapes, dtype), normal_arrays(1, shapes, dtype)
    before = [p.copy() for p in params]
    sums = [g.astype(np.float64).sum(0, keepdims=True) for g in gradients]
    total = sum(np.sum(v) * len(g) for v, g in zip(sums, gradients, strict=True))
    rule(params).update(gradients)
    for p, old, g, v in zip(params, before, gradients, sums, strict=True):
        whole = len(g) * np.sum(v)
        some = len(g) * np.sum(v, (0, 1), keepdims=True)
        step = 0.5 * (whole + some + v + v) + total / sum(g.size for g in gradients)
        np.testing.assert_allclose(p, old - step, **TOLERANCE[dtype])


def test_the_largest_of_no_element_is_minus_infinity_also_of_a_vector():
    @ld.rule
    def rule(p, g, lr=0.5):
        state = ld.state("cols", init=1.0, shape="cols")
        largest = ld.state("largest", shape="tensor")
        new = ld.assign(largest, ld.max(state))
        return ld.combine([ld.assign(state, 0.5 * state), new, ld.assign(p, p - lr * g)])

    for backend in ("cpu", "numpy"):
        learner = rule([np.zeros((0, 3)), np.zeros((2, 3))], backend=backend)
        learner.update([np.zeros((0, 3)), np.zeros((2, 3))])
        assert [float(learner.state[k]["largest"]) for k in (0, 1)] == [-np.inf, 1.0]


def test_random_numbers_do_not_depend_on_the_order_of_the_pass():
    @ld.rule
    def rule(p, g, lr=0.1, by_rows=True):
        noise = ld.let("noise", ld.normal() * ld.uniform())
        return ld.assign(p, p - lr * noise * (ld.max(g, axis=-1) if by_rows else g))

    shapes = [(3, 5_000), (90, 70), (2, 3, 4)]
    plain = normal_arrays(0, shapes, "float32")
    rows = normal_arrays(0, shapes, "float32")
    ones = [np.ones(s, np.float32) for s in shapes]
    rule(plain, by_rows=False, seed=3).update(ones)
    rule(rows, seed=3).update(ones)
    for one, other in zip(plain, rows, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
    assert_backends_agree(rule, shapes, "float32")


def test_rules_record_the_reductions_that_they_write_and_not_nodes_that_something_builds():
    @ld.rule
    def rule(p, g, lr=0.1):
        SumOver(p**5, "model")
        second, first = ld.norm(g, over="model"), ld.mean(p, over="model")
        ld.sum(p)
        return ld.assign(p, p - lr * ld.where(ld.any(g > 1, over="model"), first, second))

    written = rule.trace().written
    assert [str(r) for r in written[:2]] == ["sum(g**2, over='model')", "sum(p, over='model')"]
    assert len(written) == 3
