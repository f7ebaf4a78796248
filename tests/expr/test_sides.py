"""Matrices of any sides: their states, reductions and arithmetic, on every target."""

import jax
import numpy as np
import pytest
from support.exported import Problem, loaded
from support.rules_of_matrices import OF_SIDES, low_rank, run
from support.teams import Parts
from support.tiers import slow

import learnerdsl as ld
from learnerdsl import jax as ldj

SHAPES = [((5, 4),), ((3, 6), (4, 4)), ((2, 3, 4), (3, 1)), ((0, 3), (3, 0)), ((0, 3, 2),)]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
NAMES = [rule.name for rule in OF_SIDES]


def outcome(value, p, g, shape="element", dtype="float64", backend="cpu"):
    """`value(p, g)`, as a rule stores it in a state of a shape."""

    @ld.rule
    def of_matrices(p, g):
        kept = ld.assign(ld.state("kept", shape=shape), value(p, g))
        return ld.combine([kept, ld.assign(p, p - g)])

    learner = of_matrices([np.array(p, dtype)], backend=backend)
    learner.update([np.array(g, dtype)])
    return learner.state[0]["kept"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("rule", OF_SIDES, ids=NAMES)
def test_compiled_rules_follow_the_oracle(rule, shapes, dtype):
    ends = [run(rule, shapes, dtype, backend) for backend in ("cpu", "numpy")]
    for compiled, oracle in zip(*ends, strict=True):
        assert (compiled.dtype, compiled.shape) == (oracle.dtype, oracle.shape)
        scale = max(1.0, np.nanmax(np.abs(oracle), initial=0))
        np.testing.assert_allclose(compiled, oracle, rtol=0, atol=TOLERANCE[dtype] * scale)


def low_rank_by_hand(p, gradients, lr, rank):
    """`low_rank`, step by step in NumPy."""
    swap = lambda a: np.swapaxes(a, -1, -2)  # noqa: E731
    rows, cols = p.shape[-2:]
    q = np.ones((*p.shape[:-2], cols, rank))
    s = np.broadcast_to(np.eye(rank) / 2, (*p.shape[:-2], rank, rank))
    c, m = np.zeros((*p.shape[:-2], rows, 1)), np.zeros_like(p)
    for step, g in enumerate(gradients, 1):
        b = m + g
        left = b @ q
        left = left / (np.sqrt((left**2).sum(-2, keepdims=True)) + 1e-3)
        right = swap(b) @ left
        q = right / (np.abs(right).max(-2, keepdims=True) + 1e-3) + 0.1
        s = 0.9 * s + swap(left) @ left
        c = np.abs(left).max(-1, keepdims=True) if step % 2 == 0 else left.mean(-1, keepdims=True)
        u = left @ s @ swap(q)
        m = b - 0.05 * u
        p = p - lr * u / (1 + np.linalg.norm(q)) - lr * c * g / (1 + np.linalg.norm(u))
    return [p, q, s, c, m]


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4)], ids=str)
def test_a_rule_of_low_rank_is_that_of_numpy(shape, backend):
    rng = np.random.default_rng(5)
    p, gradients = rng.standard_normal(shape), rng.standard_normal((4, *shape))
    expected = low_rank_by_hand(p, gradients, 0.1, 3)
    learner = low_rank([p], backend=backend, rank=3)
    for g in gradients:
        learner.update([g])
    found = [p, *learner.state[0].values()]
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10)


REDUCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "prod": np.prod,
    "norm": lambda a, axis, keepdims: np.sqrt(np.sum(a**2, axis, keepdims=keepdims)),
}


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("axis", [-1, -2, (-2, -1), None], ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_matrices_are_over_their_own_entries(name, axis, backend):
    rng = np.random.default_rng(2)
    p, g = rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 4, 3))
    gram = g @ np.swapaxes(g, -1, -2)
    own = ("rows", "rows") if axis is None else ("rows", 1) if axis == -1 else (1, "rows")
    own = ld.sides(1, 1) if axis == (-2, -1) else own
    value = lambda p, g: getattr(ld, name)(ld.matmul(g, ld.transpose(g)), axis=axis)  # noqa: E731
    found = outcome(value, p, g, own, backend=backend)
    expected = REDUCTIONS[name](gram, axis=axis, keepdims=True)
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-12)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_over_nothing_give_the_identity(name, backend):
    value = lambda p, g: getattr(ld, name)(ld.matmul(ld.transpose(g), g), axis=-1)  # noqa: E731
    empty = outcome(value, np.ones((2, 3, 0)), np.ones((2, 3, 0)), ("cols", 1), backend=backend)
    assert empty.shape == (2, 0, 1)
    value = lambda p, g: getattr(ld, name)(ld.matmul(g, ld.transpose(g)), axis=-2)  # noqa: E731
    identity = {"sum": 0, "norm": 0, "mean": np.nan, "prod": 1, "max": -np.inf, "min": np.inf}
    own = ld.sides(1, 1)
    summed = lambda p, g: ld.sum(value(p, g), axis=-1) * 0 + getattr(ld, name)(value(p, g))  # noqa: E731
    found = outcome(summed, np.ones((0, 3)), np.ones((0, 3)), own, backend=backend)
    np.testing.assert_array_equal(found, [[identity[name]]])


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_norms_of_float32_do_not_overflow_in_between(backend):
    g = np.full((3, 2), 1e25)

    @ld.rule
    def rule(p, g):
        q = ld.state("q", init=1e25, shape=("cols", 3))
        size = ld.assign(ld.state("size", shape=ld.sides(1, 3)), ld.norm(q, axis=-2))
        return ld.combine([ld.assign(q, q), size, ld.assign(p, p - g)])

    learner = rule([g.astype("float32")], backend=backend)
    learner.update([g.astype("float32")])
    np.testing.assert_allclose(learner.state[0]["size"], np.sqrt(2) * 1e25, rtol=1e-6)


def test_shapes_and_sizes_are_those_of_the_matrix():
    seen = []

    @ld.rule
    def rule(p, g):
        q = ld.state("q", init=1.0, shape=("cols", 2))
        x = ld.let("x", ld.matmul(g, q))
        seen.append((ld.shape(q), ld.shape(x), ld.shape(ld.norm(x, axis=-2)), ld.shape(p)))
        sizes = ld.size(x, axis=-2) + 10 * ld.size(q, axis=(-2, -1)) + 1000 * ld.size(p)
        return ld.combine([ld.assign(q, q), ld.assign(p, sizes + 0 * g)])

    p = np.ones((3, 5, 4))
    rule([p]).update([p.copy()])
    assert seen[0] == ((3, 4, 2), (3, 5, 2), (3, 1, 2), (3, 5, 4))
    assert (p == 5 + 10 * 8 + 1000 * 60).all()


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_states_are_filled_by_numbers_rows_and_columns(backend):
    @ld.rule
    def rule(p, g, rank=2):
        q = ld.state("q", shape=("cols", rank))
        now = ld.equal(ld.step, 1)
        q_new = ld.assign(q, ld.where(now, 0.5, ld.sum(ld.matmul(ld.transpose(g), g), axis=-1)))
        return ld.assign(p, ld.matmul(p, ld.matmul(q_new, ld.transpose(q_new))))

    p, g = np.ones((3, 4)), np.arange(12.0).reshape(3, 4)
    learner = rule([p], backend=backend)
    learner.update([g])
    np.testing.assert_array_equal(learner.state[0]["q"], np.full((4, 2), 0.5))
    np.testing.assert_array_equal(p, np.full((3, 4), 2.0))
    learner.update([g])
    sums = (g.T @ g).sum(-1, keepdims=True)
    np.testing.assert_allclose(learner.state[0]["q"], np.broadcast_to(sums, (4, 2)))
    np.testing.assert_allclose(p, 2 * np.ones((3, 4)) @ (2 * sums @ sums.T))


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)], ids=str)
def test_a_side_may_be_the_smaller_one_of_the_parameter(shape):
    @ld.rule
    def rule(p, g):
        rank = min(ld.shape(p))
        q = ld.state("q", init=1.0, shape=("cols", rank))
        return ld.combine([ld.assign(q, q + 1), ld.assign(p, p - g)])

    learner = rule([np.ones(shape)])
    assert learner.state[0]["q"].shape == (shape[1], 3)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_states_are_saved_resumed_and_reset(backend, tmp_path):
    rng = np.random.default_rng(3)
    gradients = rng.standard_normal((6, 5, 4))
    whole = np.ones((5, 4))
    learner = low_rank([whole], backend=backend)
    for k, g in enumerate(gradients):
        if k == 3:
            learner.save(tmp_path / "state")
            parted = whole.copy()
        learner.update([g])
    resumed = low_rank([parted], backend=backend)
    resumed.load(tmp_path / "state")
    for g in gradients[3:]:
        resumed.update([g])
    np.testing.assert_array_equal(whole, parted)
    learner.reset()
    np.testing.assert_array_equal(learner.state[0]["s"], np.eye(2) / 2)
    with pytest.raises(ld.CheckpointError, match=r"options \{'rank': 2\}"):
        low_rank([parted], backend=backend, rank=3).load(tmp_path / "state")
    with pytest.raises(ld.ArrayError, match="has shape"):
        learner.state[0]["q"] = np.ones((4, 3))


def test_skipped_updates_change_nothing():
    params = [np.ones((3, 2))]
    learner = low_rank(params, nonfinite="skip")
    assert not learner.update([np.full((3, 2), np.nan)])
    assert (params[0] == 1).all()
    np.testing.assert_array_equal(learner.state[0]["q"], np.ones((2, 2)))


BAD = {
    "A side of a matrix cannot be 0": ("cols", 0),
    "A side of a matrix cannot be -2": (-2, "rows"),
    r"A side of a matrix cannot be 2\.0": ("cols", 2.0),
    "A side of a matrix cannot be True": ("cols", True),
    "A side of a matrix cannot be 'depth'": ("cols", "depth"),
    "that is known when the rule is traced": ("cols", ld.step),
    "or two sides of a matrix such as": ("rows", "cols", 2),
}


@pytest.mark.parametrize("message", BAD)
def test_other_sides_are_refused(message):
    @ld.rule
    def bad(p, g):
        q = ld.state("q", shape=BAD[message])
        return ld.combine([ld.assign(q, q), ld.assign(p, p - g)])

    with pytest.raises(ld.RuleError, match=message):
        bad([np.ones((3, 4))])


def _q():
    q = ld.state("q", init=1.0, shape=("cols", 2))
    return ld.assign(q, q)


MISFITS = {
    "multiplies rows by cols with rows by cols": lambda p, g: ld.matmul(p, g),
    r"joins a value of element and one of matrix \('cols', 2\)": lambda p, g: p - _q(),
    "is over axis=-1, axis=-2, both of them, or the tensor": lambda p, g: ld.sum(_q(), axis=0),
    "leave out what else is written": lambda p, g: p - ld.norm(_q(), over="model"),
    r"is that of axis=-1, axis=-2 or \(-2, -1\)": lambda p, g: p * ld.size(_q()),
    r"joins a value of vector \(0,\)": lambda p, g: (
        p - ld.norm(p, axis=-1) * ld.sum(ld.matmul(p, _q()), axis=-1)
    ),
    "it must be square": lambda p, g: ld.matmul(p, ld.eigenvectors(_q())),
}


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("message", MISFITS)
def test_what_does_not_fit_is_refused_when_the_learner_is_made(message, backend):
    @ld.rule
    def bad(p, g):
        return ld.assign(p, MISFITS[message](p, g))

    with pytest.raises(ld.RuleError, match=message):
        bad([np.ones((3, 4))], backend=backend)


def test_values_that_do_not_fit_a_state_are_refused():
    @ld.rule
    def bad(p, g):
        q = ld.state("q", shape=("cols", 2))
        return ld.combine([ld.assign(q, ld.matmul(ld.transpose(g), g)), ld.assign(p, p - g)])

    with pytest.raises(ld.RuleError, match=r"declare the state with shape=\('cols', 'cols'\)"):
        bad([np.ones((3, 4))])

    @ld.rule
    def number(p, g):
        total = ld.state("total", shape="tensor")
        return ld.combine([ld.assign(total, ld.norm(_q())), ld.assign(p, p - g)])

    with pytest.raises(ld.RuleError, match=r"declare the state with shape=sides\(1, 1\)"):
        number([np.ones((3, 4))])
    with pytest.raises(ld.RuleError, match="needs a tensor with at least 2 axes"):
        low_rank([np.ones(3)])


@pytest.mark.parametrize("rule", OF_SIDES, ids=NAMES)
def test_the_function_on_arrays_agrees(rule):
    ld.check(rule, dtype="both", updates=4).raise_if_wrong()


@pytest.mark.parametrize("axis", [0, 1])
def test_parts_of_tensors_are_updated_as_whole_ones(axis):
    rng = np.random.default_rng(7)
    start = {"a": rng.standard_normal((7, 6)), "b": rng.standard_normal((2, 3, 4))}
    updates = [({n: rng.standard_normal(a.shape) for n, a in start.items()}, {}) for _ in range(4)]
    whole = {n: a.copy() for n, a in start.items()}
    learner = low_rank(whole)
    for gradients, _ in updates:
        learner.update(gradients)
    found, _ = Parts(low_rank, start, dict.fromkeys(start, axis), 2).train(updates)
    for name, array in whole.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-10, atol=1e-12)


def problem(dtype=np.float64):
    return Problem(low_rank, dtype, shapes=((5, 3), (3, 5), (2, 3, 4)), steps=5)


def test_exports_follow_the_oracle():
    own = problem()
    expected, _ = own.path_of_rule()
    path, _ = own.path_of_numpy(loaded(low_rank.export("numpy")))
    assert own.error(path, expected) <= 1e-12
    made = loaded(low_rank.export("torch"))
    path, _ = own.path_of_torch(made.LowRank)
    assert own.error(path, expected) <= 1e-12
    with jax.enable_x64(True):
        path, _ = own.path_of_jax(loaded(low_rank.export("jax")).low_rank())
    assert own.error(path, expected) <= 1e-12


@pytest.mark.parametrize("target", ["numba", "c"])
def test_exports_of_loops_refuse_functions_of_matrices(target):
    with pytest.raises(ld.LearnerError, match="matri"):
        low_rank.export(target)


@pytest.mark.parametrize("dtype", [slow("float32"), "float64"])
@pytest.mark.parametrize("rule", OF_SIDES, ids=NAMES)
def test_jitted_transformations_follow_the_oracle(rule, dtype):
    own = Problem(rule, dtype, shapes=((5, 3), (3, 5), (2, 3, 4)), steps=5)
    expected, _ = own.path_of_rule(seed=3)
    with jax.enable_x64(dtype == "float64"):
        path, _ = own.path_of_jax(ldj.transformation(rule, seed=3))
    assert own.error(path, expected) <= {"float32": 1e-4, "float64": 1e-10}[dtype]
