"""Random rules from the whole language: compiled = oracle, serial = parallel, saved = resumed.

Rules are drawn so that rounding cannot be magnified: divisors and roots stay away from zero, values
stay of order one, and conditions compare inputs, whose order no rounding can turn round.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import learnerdsl as ld

SHAPES = ((), (1,), (0,), (5, 3), (17_001,))
TOLERANCE = {"float32": 3e-4, "float64": 1e-10}
STEPS = 3


@st.composite
def recipes(draw):
    """A rule as data: names of states, and a tree for every value."""
    element = [f"e{i}" for i in range(draw(st.integers(0, 2)))]
    scalar = [f"s{i}" for i in range(draw(st.integers(0, 2)))]
    shapes = {name: draw(st.sampled_from(["tensor", "model"])) for name in scalar}
    return {
        "element": element,
        "scalar": shapes,
        "lets": [(draw(trees(3)), draw(st.booleans())) for _ in range(draw(st.integers(0, 2)))],
        "element_values": {name: draw(trees(3)) for name in element},
        "scalar_values": {name: draw(reduced_trees(shape)) for name, shape in shapes.items()},
        "p": draw(trees(4)),
        "init": draw(st.sampled_from(["number", "p", "hyper", "size"])),
    }


LEAVES = st.sampled_from(["p", "g", "state", "new", "let", "lr", "beta", "clock", "size", "number"])
UNARY = st.sampled_from(
    ["neg", "square", "root", "tanh", "exp", "log", "abs", "sin", "inverse", "p75"]
)
BINARY = st.sampled_from(["add", "sub", "mul", "div", "max", "min", "hypot"])
REDUCE = st.sampled_from(["sum", "mean", "norm", "max"])


def trees(depth):
    pick = st.tuples(st.just("leaf"), LEAVES, st.integers(0, 3))
    if depth == 0:
        return pick
    below = trees(depth - 1)
    return st.one_of(
        pick,
        st.tuples(st.just("unary"), UNARY, below),
        st.tuples(st.just("binary"), BINARY, below, below),
        st.tuples(st.just("where"), st.sampled_from(["g", "p", "step"]), below, below),
        st.tuples(st.just("sign"), st.sampled_from(["g", "p"])),
        st.tuples(st.just("reduce"), REDUCE, st.sampled_from(["tensor", "model"]), below),
    )


def reduced_trees(shape):
    overs = ["model"] if shape == "model" else ["tensor", "model"]
    return st.tuples(st.just("reduce"), REDUCE, st.sampled_from(overs), trees(2))


class Builder:
    """Turns the trees of a recipe into expressions inside a rule."""

    def __init__(self, p, g, lr, beta, states):
        self.symbols = {"p": p, "g": g, "lr": lr, "beta": beta}
        self.states, self.new, self.lets = states, [], []

    def leaf(self, kind, number):
        pools = {"state": self.states, "new": self.new, "let": self.lets}
        if kind in self.symbols:
            return self.symbols[kind]
        if kind in pools:
            pool = pools[kind]
            return pool[number % len(pool)] if pool else self.symbols["g"]
        if kind == "clock":
            return 1 / (1 + (ld.step, ld.samples, ld.minibatch_size, ld.step)[number])
        if kind == "size":
            over = "model" if number % 2 else "tensor"
            return 1 / (1 + ld.size(self.symbols["p"], over))
        return (0.5, 2, -0.25, 1)[number]

    def build(self, tree):
        kind, *rest = tree
        if kind == "leaf":
            return self.leaf(*rest)
        if kind == "unary":
            return unary(rest[0], self.build(rest[1]))
        if kind == "binary":
            return binary(rest[0], self.build(rest[1]), self.build(rest[2]))
        if kind == "sign":
            return ld.sign(self.symbols[rest[0]])
        if kind == "where":
            sides = {"g": self.symbols["g"] > 0, "p": self.symbols["p"] <= 0.5, "step": ld.step > 1}
            return ld.where(sides[rest[0]], self.build(rest[1]), self.build(rest[2]))
        return reduction(rest[0], bounded(self.build(rest[2])), rest[1], self.symbols["p"])


def bounded(x):
    """Of order one whatever x is."""
    return x / ld.sqrt(1 + x**2)


def unary(kind, x):
    x = bounded(x)
    return {
        "neg": lambda: -x,
        "square": lambda: x**2,
        "root": lambda: ld.sqrt(0.1 + x**2),
        "tanh": lambda: ld.tanh(x),
        "exp": lambda: ld.exp(x),
        "log": lambda: ld.log(0.5 + x**2),
        "abs": lambda: ld.abs(x),
        "sin": lambda: ld.sin(x),
        "inverse": lambda: 1 / (1 + x**2),
        "p75": lambda: (0.2 + x**2) ** 0.75,
    }[kind]()


def binary(kind, x, y):
    return {
        "add": lambda: x + y,
        "sub": lambda: x - y,
        "mul": lambda: bounded(x) * y,
        "div": lambda: x / (1 + y**2),
        "max": lambda: ld.maximum(x, y),
        "min": lambda: ld.minimum(x, y),
        "hypot": lambda: ld.sqrt(0.1 + x**2 + y**2),
    }[kind]()


def reduction(kind, x, over, p):
    if kind == "mean":  # over no element it is 0/0
        return ld.sum(x, over) / (1 + ld.size(p, over))
    if kind == "sum":
        return ld.sum(x, over) / (10 + ld.size(p, over))
    if kind == "norm":
        return ld.norm(x, over) / (3 + ld.sqrt(ld.size(p, over)))
    return ld.maximum(ld.max(x, over), -1)


def rule_of(recipe):
    def random_rule(p, g, lr=0.1, beta=0.9):
        inits = {"number": 0.5, "p": p, "hyper": lr, "size": 1 / (1 + ld.size(p))}
        element = {n: ld.state(n, init=inits[recipe["init"]]) for n in recipe["element"]}
        scalar = {n: ld.state(n, init=lr, shape=shape) for n, shape in recipe["scalar"].items()}
        tools = Builder(p, g, lr, beta, [*element.values(), *scalar.values()])
        for number, (tree, rounded) in enumerate(recipe["lets"]):
            value = bounded(tools.build(tree))
            dtype = "parameter" if rounded else None
            tools.lets.append(ld.let(f"let_{number}", value, dtype=dtype))
        assigned = []
        for name, state in element.items():
            value = beta * bounded(state) + (1 - beta) * bounded(
                tools.build(recipe["element_values"][name])
            )
            assigned.append(ld.assign(state, value))
            tools.new.append(assigned[-1])
        for name, state in scalar.items():
            assigned.append(
                ld.assign(state, 0.5 * state + tools.build(recipe["scalar_values"][name]))
            )
            # A value of one scalar per tensor or model may be used like any other.
            tools.new.append(assigned[-1])
        used = sum(tools.lets, start=0 * p)
        assigned.append(ld.assign(p, p - lr * bounded(tools.build(recipe["p"]) + used)))
        return ld.combine(assigned)

    return ld.rule(random_rule)


def run(rule, dtype, backend, is_parallel=False):
    rng = np.random.default_rng(1)
    params = [np.array(rng.standard_normal(s), dtype) for s in SHAPES]
    learner = rule(params, backend=backend, groups=None)
    if backend == "cpu":
        learner._engine.use_threads(is_parallel)
    for step in range(STEPS):
        learner.hyperparameters["lr"] = 0.1 / (1 + step)
        learner.update([np.array(rng.standard_normal(s), dtype) for s in SHAPES], 2 + step)
    states = [a for s in learner.state.values() for a in s.values()]
    return [*params, *states, *(np.array(v) for v in learner.model_state.values())]


def check(dtype, recipe):
    """Assert that the rule of a recipe ends where its interpretation ends, on threads as well."""
    rule = rule_of(recipe)
    expected = run(rule, dtype, "numpy")
    serial = run(rule, dtype, "cpu")
    for wanted, got in zip(expected, serial, strict=True):
        assert np.isfinite(wanted).all()
        np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE[dtype])
    for one, other in zip(serial, run(rule, dtype, "cpu", is_parallel=True), strict=True):
        np.testing.assert_array_equal(one, other)


FEW = settings(
    deadline=None, derandomize=True, max_examples=6, suppress_health_check=list(HealthCheck)
)


@FEW
@given(recipe=recipes())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_rule_equals_its_interpretation(dtype, recipe):
    check(dtype, recipe)


@pytest.mark.slow
@pytest.mark.costly
@settings(FEW, max_examples=12)
@given(recipe=recipes())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_rule_equals_its_interpretation_in_many_examples(dtype, recipe):
    check(dtype, recipe)
