"""Rows that are chosen by scores, taken and put back: on every target, with ties and NaN."""

import jax
import numpy as np
import pytest
from support.exported import loaded

import learnerdsl as ld
from learnerdsl import jax as ldj
from learnerdsl.kernels import linalg
from learnerdsl.runtime.torch_matrices import TorchMatrices

torch = pytest.importorskip("torch")

TARGETS = ["cpu", "numpy", "jax", "to numpy", "to torch", "to jax"]
NAN = float("nan")


def outcome(value, shape, p, g, target):
    """What `value(p, g)` gives as a state of this shape."""

    def of_rows(p, g):
        kept = ld.assign(ld.state("kept", shape=shape), value(p, g))
        return ld.combine([kept, ld.assign(p, p - g)])

    rule = ld.rule(of_rows)
    if target in ("cpu", "numpy"):
        learner = rule([p.copy()], backend=target)
        learner.update([g])
        return learner.state[0]["kept"]
    if target == "to numpy":
        module, params = loaded(rule.export("numpy", shape=p.shape)), {"w": p.copy()}
        state = module.init(params)
        module.update(params, {"w": g}, state)
        return state["tensors"]["w"]["kept"]
    if target == "to torch":
        own = torch.tensor(p, requires_grad=True)
        own.grad = torch.tensor(g)
        optimizer = loaded(rule.export("torch", shape=p.shape)).OfRows([own])
        optimizer.step()
        return optimizer.state[own]["kept"].numpy()
    with jax.enable_x64(True):
        if target == "jax":
            made = ldj.transformation(rule)
        else:
            made = loaded(rule.export("jax", shape=p.shape)).of_rows()
        params = [jax.numpy.asarray(p)]
        _, state = jax.jit(made.update)([jax.numpy.asarray(g)], made.init(params), params)
        return np.asarray(state.states["kept"][0] if target == "jax" else state.tensors[0]["kept"])


def column(g):
    """The first column of a gradient, as scores."""
    return ld.first_columns(g, 1)


def in_column(*scores):
    """Gradients whose first column has the scores."""
    g = np.random.default_rng(3).standard_normal((len(scores), 3))
    g[:, 0] = scores
    return g


ORDERS = [
    ((0.5, 3.0, -1.0, 2.0), [1, 3, 0]),
    ((1.0, 2.0, 2.0, 1.0, 2.0), [1, 2, 4]),
    ((0.0, -0.0, 0.0, -0.0, -0.0), [0, 1, 2]),
    ((-0.0, 0.0, -1.0, -0.0), [0, 1, 3]),
    ((1.0, NAN, 5.0, NAN), [1, 3, 2]),
    ((np.inf, 1.0, NAN, -np.inf), [2, 0, 1]),
    ((-np.inf, -np.inf, -3.0), [2, 0, 1]),
]
"""Scores, and the rows with the three largest."""


@pytest.mark.parametrize("target", TARGETS)
def test_the_largest_come_first_the_upper_of_equal_ones_and_nan_before_all(target):
    g = np.stack([in_column(*scores, *(-np.inf,) * (5 - len(scores))) for scores, _ in ORDERS])
    three = lambda p, g: ld.top_rows(column(g), 3)  # noqa: E731
    found = outcome(three, ld.sides(3, 1), np.zeros(g.shape), g, target)
    for own, (_, expected) in zip(found, ORDERS, strict=True):
        np.testing.assert_array_equal(own[:, 0], expected)


@pytest.mark.parametrize("target", TARGETS)
def test_without_a_count_all_rows_are_ordered(target):
    g = np.stack([in_column(*scores, *(-np.inf,) * (5 - len(scores))) for scores, _ in ORDERS])
    found = outcome(lambda p, g: ld.top_rows(column(g)), ("rows", 1), np.zeros(g.shape), g, target)
    assert found.shape == (len(ORDERS), 5, 1)
    for own, (_, expected) in zip(found[..., 0], ORDERS, strict=True):
        np.testing.assert_array_equal(own[:3], expected)
        np.testing.assert_array_equal(np.sort(own), np.arange(5))


@pytest.mark.parametrize("is_float32", [False, True])
@pytest.mark.parametrize(("scores", "expected"), ORDERS, ids=str)
def test_pytorch_has_the_order_of_numpy(scores, expected, is_float32):
    own = np.reshape(scores, (-1, 1)).astype(np.float32 if is_float32 else np.float64)
    stack = np.stack([own, own[::-1]])
    both = linalg.top_rows(stack, 3)
    np.testing.assert_array_equal(both[0, :, 0], expected)
    namespace = TorchMatrices(torch)
    found = namespace.top_rows(torch.tensor(stack), 3).numpy()
    np.testing.assert_array_equal(found, both)
    assert found.dtype == both.dtype == own.dtype
    every = linalg.top_rows(stack)
    np.testing.assert_array_equal(namespace.top_rows(torch.tensor(stack)).numpy(), every)
    np.testing.assert_array_equal(every[:, :3], both)


P = np.random.default_rng(4).standard_normal((2, 5, 3))
G = np.random.default_rng(5).standard_normal((2, 5, 3))
ORDER = np.argsort(-G[..., 0])[..., :2]
TAKEN = np.take_along_axis(P, ORDER[..., None], -2)


def with_own(p, chosen, rows):
    found = p.copy()
    for one, places, own in zip(found, chosen, rows, strict=True):
        one[places] = own
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_rows_are_those_of_each_matrix_of_a_stack(target):
    def taken(p, g):
        return ld.take_rows(p, ld.top_rows(column(g), 2))

    def put(p, g):
        chosen = ld.top_rows(column(g), 2)
        return ld.put_rows(p, chosen, 2 * ld.take_rows(g, chosen))

    found = outcome(taken, (2, "cols"), P, G, target)
    np.testing.assert_array_equal(found, TAKEN)
    new = 2 * np.take_along_axis(G, ORDER[..., None], -2)
    found = outcome(put, ("rows", "cols"), P, G, target)
    np.testing.assert_array_equal(found, with_own(P, ORDER, new))


@pytest.mark.parametrize("target", TARGETS)
def test_numbers_that_no_row_has_give_nan_and_change_nothing(target):
    g = in_column(1.0, -1.0, 3.0)
    p = np.arange(9.0).reshape(3, 3)

    def places(g):
        return ld.where(column(g) > 2, NAN, column(g))  # 1, -1 and NaN

    found = outcome(lambda p, g: ld.take_rows(p, places(g)), ("rows", "cols"), p, g, target)
    np.testing.assert_array_equal(found, [[3, 4, 5], [NAN] * 3, [NAN] * 3])
    found = outcome(lambda p, g: ld.put_rows(p, places(g), g), ("rows", "cols"), p, g, target)
    np.testing.assert_array_equal(found, [p[0], g[0], p[2]])


@pytest.mark.parametrize("rows", [0, 4])
def test_pytorch_takes_and_puts_as_numpy_does(rows):
    namespace = TorchMatrices(torch)
    rng = np.random.default_rng(6)
    a, new = rng.standard_normal((rows, 3)), rng.standard_normal((2, 2, 3))
    indices = np.array([[[3.0], [0.0]], [[-1.0], [2.0]]])  # one matrix for a stack of indices
    operands = [torch.tensor(own) for own in (a, indices, new)]
    taken = linalg.take_rows(a, indices)
    put = linalg.put_rows(a, indices, new)
    assert (taken.shape, put.shape) == ((2, 2, 3), (2, rows, 3))
    np.testing.assert_array_equal(namespace.take_rows(*operands[:2]).numpy(), taken)
    np.testing.assert_array_equal(namespace.put_rows(*operands).numpy(), put)
    if rows:
        np.testing.assert_array_equal(taken[0], a[[3, 0]])
        np.testing.assert_array_equal(put[1, [0, 1, 3]], a[[0, 1, 3]])
        np.testing.assert_array_equal(put[1, 2], new[1, 1])
    else:
        assert np.isnan(taken).all()


@pytest.mark.parametrize("target", TARGETS)
def test_a_number_fills_rows(target):
    def put(p, g):
        return ld.put_rows(p, ld.top_rows(column(g), 2), 1.5)

    found = outcome(put, ("rows", "cols"), P[0], G[0], target)
    np.testing.assert_array_equal(found, with_own(P[:1], ORDER[:1], [1.5])[0])


@pytest.mark.parametrize("target", TARGETS)
def test_columns_are_ordered_as_rows_of_the_transpose(target):
    def ordered(p, g):
        by_norm = ld.top_rows(ld.sum(ld.transpose(g) ** 2, axis=-1))
        return ld.transpose(ld.take_rows(ld.transpose(p), by_norm))

    found = outcome(ordered, ("rows", "cols"), P, G, target)
    for k in range(2):
        order = np.argsort(-np.sum(G[k] ** 2, axis=0))
        np.testing.assert_array_equal(found[k], P[k][:, order])


@ld.rule
def in_order_of_size(p, g, lr=0.1):
    """A step for the rows by their places in the order of their sizes."""
    sizes = ld.transpose(ld.sum(ld.transpose(g**2), axis=-2))
    order = ld.let("order", ld.top_rows(sizes))
    sorted_rows = ld.take_rows(g, order)
    return ld.assign(p, p - lr * ld.put_rows(g, order, sorted_rows * (1 + order)))


def test_all_rows_on_arrays_agree():
    ld.check(in_order_of_size, dtype="both", updates=4).raise_if_wrong()


def test_latex_and_text_say_that_all_rows_are_ordered():
    assert r"\mathrm{order}\," in in_order_of_size.latex(shape=(4, 3))
    assert "order = top_rows⎝transpose" in in_order_of_size.pretty(shape=(4, 3))


@ld.rule
def of_larger_rows(p, g, lr=0.1):
    """A step for the two rows whose sums have become the largest."""
    m = ld.state("m")
    b = ld.let("b", m + g)
    norms = ld.transpose(ld.sum(ld.transpose(ld.abs(b)), axis=-2))
    chosen = ld.let("chosen", ld.top_rows(norms, 2))
    rows = ld.let("rows_taken", ld.take_rows(b, chosen))
    kept = ld.put_rows(b, chosen, rows / 2)
    m_new = ld.assign(m, ld.put_rows(kept, ld.top_rows(norms, 1), 0))
    moved = ld.put_rows(p, chosen, ld.take_rows(p, chosen) - lr * rows)
    return ld.combine([m_new, ld.assign(p, moved)])


def test_the_functions_on_arrays_agree():
    ld.check(of_larger_rows, dtype="both", updates=4).raise_if_wrong()


def test_the_check_does_not_trust_an_order_that_rounding_decides():
    from learnerdsl.check import matrices  # noqa: PLC0415
    from learnerdsl.check.values import Precision, Value, precision  # noqa: PLC0415

    token = precision.set(Precision.of(np.float32))
    try:
        scores = Value(np.array([[1.0], [3.0], [1.0 + 1e-9], [5.0]]), np.full((4, 1), 1e-8), True)
        found = matrices.top_rows(scores, 3)
    finally:
        precision.reset(token)
    np.testing.assert_array_equal(found.number[:, 0], [3, 1, 2])
    np.testing.assert_array_equal(np.isinf(found.bound[:, 0]), [False, False, True])


def test_latex_and_text_name_the_rows():
    latex = of_larger_rows.latex(shape=(4, 3))
    assert r"\mathrm{chosen} &= \mathrm{top}_{2}\," in latex
    assert r"{b}_{\mathrm{chosen},\,:}" in latex
    assert r"_{\mathrm{chosen},\,:\,\leftarrow\," in latex
    assert "take_rows(b, chosen)" in of_larger_rows.pretty(shape=(4, 3))

    @ld.rule
    def of_columns(p, g):
        return ld.assign(p, ld.matmul(ld.first_columns(p, 2), ld.first_columns(g, 2)))

    assert r"{p_{t-1}}_{:,\,1{:}2}" in of_columns.latex(shape=(2, 2))


BAD = {
    "top_rows\\(..., 0\\) is not defined; write a whole number above 0": lambda p, g: ld.top_rows(
        column(g), 0
    ),
    "top_rows\\(..., 1.5\\) is not defined": lambda p, g: ld.top_rows(column(g), 1.5),
    "top_rows\\(..., True\\) is not defined": lambda p, g: ld.top_rows(column(g), True),
    "top_rows\\(..., 5\\) of 4 rows is not defined; write 4 or less": lambda p, g: ld.top_rows(
        column(g), 5
    ),
    "takes scores of rows by cols in top_rows.*they must be a column": lambda p, g: ld.take_rows(
        p, ld.top_rows(p, 2)
    ),
    "takes scores of rows by cols in top_rows\\(p\\); they must": lambda p, g: ld.top_rows(p) + p,
    "takes indices of rows by cols in take_rows": lambda p, g: ld.take_rows(p, g),
    "takes indices of rows by cols in put_rows": lambda p, g: ld.put_rows(p, g, g),
    "puts rows of rows by cols in put_rows.*they must be 2 by cols": lambda p, g: ld.put_rows(
        p, ld.top_rows(column(g), 2), g
    ),
    "which is not a matrix": lambda p, g: ld.take_rows(ld.norm(p), column(g)),
}


@pytest.mark.parametrize("message", BAD)
def test_what_does_not_fit_is_refused(message):
    @ld.rule
    def bad(p, g):
        return ld.assign(p, p * ld.sum(ld.sum(BAD[message](p, g), axis=-1), axis=-2))

    with pytest.raises(ld.RuleError, match=message):
        bad([np.ones((4, 3))])
