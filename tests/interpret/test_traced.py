"""The oracle as `jax.jit` traces it, beside the oracle that NumPy runs."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.battery import BUILTINS, RULES
from support.families import ROUNDING
from support.families.matrices import NEWTON_SCHULZ
from support.problems import EXTRAS, assert_same_path, fitted, hyperparameters
from support.tiers import few_of_shared

import learnerdsl as ld
from learnerdsl.interpret import evaluation_parameters, initial_states, interpret, philox
from learnerdsl.learners import gravity, noisy_sgd, schedule_free_sgd

STEPS, SEED = 6, np.uint32(3_000_000_005)
SHAPES = ((4, 3), (5,), ())


class Run:
    """Six updates of a rule by any array namespace; float32 holds every number of the problem."""

    def __init__(self, rule, shapes=SHAPES):
        rng = np.random.default_rng([15, *rule.name.encode()])
        own = fitted(rule.name, shapes)
        self.rules = [rule.trace(shape=shape) for shape in own]
        names = map(str, self.rules[0].hyperparameters)
        defaults = dict(zip(names, self.rules[0].defaults, strict=True))
        drawn = [{}] * STEPS
        if rule.name in BUILTINS:
            drawn = hyperparameters(rule.name, rng, shapes, STEPS)
        every = [single({**defaults, **values}) for values in drawn]
        self.extras = [{n: v for n, v in values.items() if n in EXTRAS} for values in every]
        self.hypers = [{n: v for n, v in values.items() if n not in EXTRAS} for values in every]
        self.start = [single(rng.standard_normal(shape)) for shape in own]
        self.gradients = [[single(rng.standard_normal(p.shape)) for p in self.start] for _ in drawn]
        self.traces = 0

    def update(self, params, gradients, states, hyper, extras, clock, xp=np, scalar=float):
        """Update once; scalar states are kept by `scalar`, so that their dtype never changes."""
        self.traces += 1
        hypers = [hyper] * len(params)
        more = {"xp": xp, "extras": extras}
        new, states = interpret(self.rules, params, gradients, states, hypers, clock, **more)
        return new, kept(states, scalar)

    def start_states(self, params, hyper, xp=np, scalar=float):
        """Return the start values of the states."""
        return kept(initial_states(self.rules, params, [hyper] * len(params), xp), scalar)

    def path(self, dtype, start_states=None, update=None, xp=np):
        """Return the parameters and the states after each step, as arrays of NumPy."""

        def arrays(values):
            return [xp.asarray(value, dtype=dtype) for value in values]

        params, path = arrays(self.start), []
        states = (start_states or self.start_states)(params, self.hypers[0])
        for k, (gradients, hyper) in enumerate(zip(self.gradients, self.hypers, strict=True)):
            extras = {n: arrays(v) if isinstance(v, list) else v for n, v in self.extras[k].items()}
            clock = {"step": k + 1, "samples": 3.0 * k, "minibatch_size": 3.0, "seed": SEED}
            params, states = (update or self.update)(
                params, arrays(gradients), states, hyper, extras, clock
            )
            path.append((list(map(np.asarray, params)), jax.tree.map(np.asarray, states)))
        return path

    def traced_path(self, dtype, xp=jnp):
        """Return the same by JAX; it must trace the update once."""

        def scalar(value):
            return jnp.asarray(value, dtype=dtype)

        self.traces = 0
        update = jitted(lambda *given: self.update(*given, xp=xp, scalar=scalar))
        start_states = jitted(lambda *given: self.start_states(*given, xp=xp, scalar=scalar))
        with jax.enable_x64(dtype == np.float64):
            path = self.path(dtype, start_states, update, xp)
        assert self.traces == 1
        return path


def jitted(function):
    """Return a function that JAX traces and that computes in float64, also if its caller cannot."""

    def wide(*given):
        with jax.enable_x64(True):
            return function(*given)

    # Little is computed, so most of the time would go into optimizing it.
    return jax.jit(wide, compiler_options={"xla_backend_optimization_level": 0})


def single(value):
    """Return the nearest numbers that float32 holds."""
    if isinstance(value, dict):
        return {name: single(one) for name, one in value.items()}
    if isinstance(value, list):
        return list(map(single, value))
    rounded = np.asarray(value, np.float32).astype(np.float64)
    return rounded if np.ndim(value) or isinstance(value, np.ndarray) else float(rounded)


def kept(states, scalar):
    """Return states whose scalars are kept by `scalar`."""

    def one(value):
        return value if value is None or np.ndim(value) else scalar(value)

    return {
        name: list(map(one, value)) if isinstance(value, list) else scalar(value)
        for name, value in states.items()
    }


def error(path, expected):
    """Return the largest error of each tensor on the way."""
    pairs = [
        zip(got, wanted, strict=True) for (got, _), (wanted, _) in zip(path, expected, strict=True)
    ]
    return np.max([[np.max(np.abs(a - b), initial=0.0) for a, b in pair] for pair in pairs], axis=0)


def assert_traced_as_interpreted(run, xp=jnp):
    """Assert that a rule goes the same way traced, in float64 and in float32."""
    expected, path = run.path(np.float64), run.traced_path(np.float64, xp)
    assert_same_path(1e-12, run.start, [p for p, _ in expected], [p for p, _ in path])
    for (_, wanted), (_, got) in zip(expected, path, strict=True):
        for a, b in zip(jax.tree.leaves(wanted), jax.tree.leaves(got), strict=True):
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-11 * np.max(np.abs(a), initial=0.0))
    narrow = run.traced_path(np.float32, xp)
    assert {p.dtype for params, _ in narrow for p in params} == {np.dtype(np.float32)}
    # Iterations that raise errors by hundreds raise those of the two ways by different numbers.
    is_raised = ROUNDING.get(run.rules[0].name) == NEWTON_SCHULZ
    limit = (10 if is_raised else 2) * error(run.path(np.float32), expected)
    largest = np.max([[np.max(np.abs(p)) for p in params] for params, _ in expected], axis=0)
    limit += 4 * np.spacing(largest.astype(np.float32))
    assert (error(narrow, expected) <= limit).all()


QUICK = {"lamb", "prodigy", "sophia"}
IN_NUMPY = {"psgd_kron"}
"""Rules with systems of equations, which the oracle solves in NumPy, matrix by matrix."""


@pytest.mark.parametrize("name", few_of_shared([n for n in BUILTINS if n not in IN_NUMPY], QUICK))
def test_builtin_goes_its_way_in_one_trace(name):
    assert_traced_as_interpreted(Run(RULES[name]))


@ld.rule
def whole_language(p, g, lr=0.1, c=0.5):
    m = ld.state("m", init=c * ld.mean(p**2))
    d = ld.state("d", init=c, shape="tensor")
    kind = ld.where((ld.step > 3) | ld.equal(c, 0), c / lr, 2)
    scale = ld.let("scale", kind * ld.log1p(ld.sqrt(ld.step)) ** c, dtype="parameter")
    u = ld.where(ld.isfinite(g) & ~(g > kind), ld.softplus(g) + ld.sigmoid(p) * lr, c)
    u = u * ld.minimum(lr, abs(p), 0.5) - ld.erf(p) / scale + (ld.step % 3) * ld.exp(-(g**2))
    u = u + ld.maximum(p, c) ** kind * ld.sum(p * g, block=4) / 8
    d_new = ld.assign(d, d + ld.sum(g, over="model") / ld.max(abs(p), over="model"))
    m_new = ld.assign(m, c * m + (1 - c**ld.step) * u / ld.size(p))
    return ld.assign(p, p - lr * (m_new + ld.atan2(d_new, g)) + lr * ld.uniform() - ld.sign(u) / 16)


@ld.rule
def rows_and_columns(p, g, lr=0.1, c=0.5, root=2.0):
    row = ld.state("row", shape="rows")
    row_new = ld.assign(row, c * row + (1 - c) * ld.mean(g**2, axis=-1))
    col = ld.sqrt(ld.max(abs(g), axis=0)) * ld.where(ld.step > 2, c, lr)
    square = ld.matmul(ld.transpose(g), g) + ld.identity("cols")
    turned = ld.matmul(g, ld.inverse_root(square, root))
    return ld.assign(p, p - lr * turned * ld.minimum(col / row_new, c) - lr * col)


def test_every_kind_of_node_is_traced():
    # jax.numpy has no error function.
    xp = SimpleNamespace(**vars(jnp), erf=jax.scipy.special.erf)
    assert_traced_as_interpreted(Run(whole_language), xp)


def test_axes_and_matrices_are_traced():
    assert_traced_as_interpreted(Run(rows_and_columns, ((4, 3), (2, 2))))


def test_products_of_bfloat16_are_traced():
    @ld.rule
    def turned(p, g):
        return ld.assign(p, p - 3 * ld.matmul(ld.transpose(g), g) / 4 - g)

    rule = turned.trace(shape=(3, 3))
    p, g = single(np.random.default_rng(1).standard_normal((2, 3, 3)))

    def update(p, g, xp=jnp, products="bfloat16"):
        clock = {"step": 1, "samples": 0, "minibatch_size": 1, "seed": 0}
        p, g = (xp.asarray(array, dtype=np.float32) for array in (p, g))
        return interpret(rule, [p], [g], {}, [{}], clock, xp, products=[products])[0][0]

    expected = update(p, g, np)
    assert np.max(np.abs(expected - update(p, g, np, "full"))) > 1e-4
    np.testing.assert_allclose(jitted(update)(p, g), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rule", [gravity, noisy_sgd], ids=lambda r: r.name)
def test_random_rules_are_bitwise_those_of_numpy(rule):
    run = Run(rule)
    for (a, _), (b, _) in zip(run.path(np.float32), run.traced_path(np.float32), strict=True):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)


def test_random_words_of_a_traced_seed_and_step_are_those_of_numpy():
    where, seed, step = [5, 2**32 - 1, 2**40 + 7], 2**40 + 5, 2**31 + 3
    expected = philox(np.array(where, np.uint64), 3, seed, step, 2)
    with jax.enable_x64(True):
        words = jax.jit(lambda s, t: philox(jnp.array(where, jnp.uint64), 3, s, t, 2, jnp))
        np.testing.assert_array_equal(words(np.float64(seed), np.float64(step)), expected)


def test_scalars_are_in_float64_where_jax_has_float32():
    @ld.rule
    def corrected(p, g, beta=0.5):
        return ld.assign(p, g / (1 - (1 - beta) ** ld.step))

    rule = corrected.trace(shape=())
    g = np.ones((), np.float32)

    def update(step, beta):
        clock = {"step": step, "samples": 0, "minibatch_size": 1, "seed": 0}
        return interpret(rule, [g], [g], {}, [{"beta": beta}], clock, jnp)[0][0]

    beta = 2.0**-24  # 1 - beta is 1 in float32
    assert jitted(update)(2, beta) == np.float32(1 / (1 - (1 - beta) ** 2))


def test_evaluation_parameters_are_traced():
    run = Run(schedule_free_sgd)
    params, states = run.path(np.float32)[-1]
    clock = {"step": STEPS, "samples": 0.0, "minibatch_size": 1.0, "seed": 0}
    hypers = [run.hypers[-1]] * len(params)

    def shown(params, states, hypers, clock, xp=jnp):
        return evaluation_parameters(run.rules, params, states, hypers, clock, xp)

    expected = shown(params, states, hypers, clock, np)
    for a, b in zip(jitted(shown)(params, states, hypers, clock), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
