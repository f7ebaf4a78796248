"""Random rules with reductions over axes and states of axes, against the oracle, on threads."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpret.test_properties import BINARY, REDUCE, TOLERANCE, UNARY, binary, bounded, unary
from support.axis_cases import normal_arrays
from support.tiers import slow

import learnerdsl as ld

SHAPES = {
    2: ((3, 4), (1, 1), (0, 3), (4, 0), (70, 67), (2, 4_099)),
    3: ((2, 3, 4), (1, 5, 1), (2, 0, 3), (5, 17, 66)),
}
AXES = {2: ((0,), (1,), (0, 1)), 3: ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))}
LEAVES = st.sampled_from(["p", "g", "state", "let", "lr", "normal", "number"])


def trees(ndim, depth):
    pick = st.tuples(st.just("leaf"), LEAVES, st.integers(0, 3))
    if depth == 0:
        return pick
    below = trees(ndim, depth - 1)
    axes = st.sampled_from([*AXES[ndim], "tensor", "model"])
    return st.one_of(
        pick,
        st.tuples(st.just("unary"), UNARY, below),
        st.tuples(st.just("binary"), BINARY, below, below),
        st.tuples(st.just("where"), st.sampled_from(["p", "g"]), below, below),
        st.tuples(st.just("reduce"), REDUCE, axes, below),
        st.tuples(st.just("reduce"), REDUCE, axes, below),
    )


@st.composite
def recipes(draw):
    """A rule as data: axes of states, and a tree for every value."""
    ndim = draw(st.sampled_from([2, 3]))
    states = draw(st.lists(st.sampled_from(AXES[ndim]), max_size=3))
    return {
        "ndim": ndim,
        "states": [(axes, draw(trees(ndim, 2)), draw(REDUCE)) for axes in states],
        "lets": draw(st.lists(trees(ndim, 3), max_size=2)),
        "p": draw(trees(ndim, 4)),
    }


class Builder:
    """Turns trees into expressions inside a rule."""

    def __init__(self, p, g, lr, states):
        self.p, self.g, self.lr = p, g, lr
        self.pools = {"state": states, "let": []}

    def build(self, tree):
        kind, *rest = tree
        if kind == "leaf":
            name, number = rest
            pool = self.pools.get(name, ())
            if pool:
                return pool[number % len(pool)]
            plain = {"p": self.p, "lr": self.lr, "number": (0.5, 2, -0.25, 1)[number]}
            return bounded(ld.normal()) if name == "normal" else plain.get(name, self.g)
        if kind == "unary":
            return unary(rest[0], self.build(rest[1]))
        if kind == "binary":
            return binary(rest[0], self.build(rest[1]), self.build(rest[2]))
        if kind == "where":
            side = {"p": self.p <= 0.5, "g": self.g > 0}[rest[0]]
            return ld.where(side, self.build(rest[1]), self.build(rest[2]))
        return self.reduced(rest[0], bounded(self.build(rest[2])), rest[1])

    def reduced(self, kind, x, where):
        over = {"over": where} if isinstance(where, str) else {"axis": where}
        size = ld.size(self.p, **over)
        if kind == "max":
            return ld.maximum(ld.max(x, **over), -1)
        if kind == "norm":
            return ld.norm(x, **over) / (3 + ld.sqrt(size))
        return ld.sum(x, **over) / ((10 if kind == "sum" else 1) + size)


def rule_of(recipe):
    def random_rule(p, g, lr=0.1):
        every = tuple(range(recipe["ndim"]))
        states = [
            ld.state(f"s{k}", init=0.25 * k, shape=axes)
            for k, (axes, _, _) in enumerate(recipe["states"])
        ]
        tools = Builder(p, g, lr, states)
        for number, tree in enumerate(recipe["lets"]):
            tools.pools["let"].append(ld.let(f"let_{number}", bounded(tools.build(tree))))
        assigned = []
        for state, (axes, tree, kind) in zip(states, recipe["states"], strict=True):
            rest = tuple(axis for axis in every if axis not in axes)
            value = bounded(tools.build(tree))
            value = tools.reduced(kind, value, rest) if rest else value
            assigned.append(ld.assign(state, 0.5 * state + value))
        tools.pools["state"] = [*states, *assigned]
        used = sum(tools.pools["let"], start=0 * p)
        assigned.append(ld.assign(p, p - lr * bounded(tools.build(recipe["p"]) + used)))
        return ld.combine(assigned)

    return ld.rule(random_rule)


def run(rule, ndim, dtype, backend, is_parallel=False):
    params = normal_arrays(0, SHAPES[ndim], dtype)
    learner = rule(params, backend=backend)
    if backend == "cpu":
        learner._engine.use_threads(is_parallel)
    for step in range(2):
        learner.update(normal_arrays(1 + step, SHAPES[ndim], dtype))
    return [*params, *(a for s in learner.state.values() for a in s.values())]


def check(dtype, recipe):
    """Assert that the rule of a recipe ends where its interpretation ends, on threads as well."""
    rule, ndim = rule_of(recipe), recipe["ndim"]
    expected = run(rule, ndim, dtype, "numpy")
    serial = run(rule, ndim, dtype, "cpu")
    for wanted, got in zip(expected, serial, strict=True):
        assert np.isfinite(wanted).all()
        np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE[dtype])
    for one, other in zip(serial, run(rule, ndim, dtype, "cpu", is_parallel=True), strict=True):
        np.testing.assert_array_equal(one, other)


FEW = settings(
    deadline=None, derandomize=True, max_examples=6, suppress_health_check=list(HealthCheck)
)


@FEW
@given(recipe=recipes())
@pytest.mark.parametrize("dtype", ["float32", slow("float64")])
def test_compiled_rule_over_axes_equals_its_interpretation(dtype, recipe):
    check(dtype, recipe)


@pytest.mark.slow
@pytest.mark.costly
@settings(FEW, max_examples=30)
@given(recipe=recipes())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_rule_over_axes_equals_its_interpretation_in_many_examples(dtype, recipe):
    check(dtype, recipe)
