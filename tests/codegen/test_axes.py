"""Reductions over axes, states of axes, and rules with variants: what builtin rules ran into."""

import numpy as np
import pytest

import learnerdsl as ld

BACKENDS = ["cpu", "numpy"]


@ld.rule
def by_blocks(p, g, lr=1.0):
    """A state of the same name that is a vector for matrices and a scalar for vectors."""
    inner = tuple(range(1, ld.ndim(p)))
    v = ld.state("v", shape=(0,) if inner else "tensor")
    v_new = ld.assign(v, v + ld.sum(g**2, axis=inner or None))
    return ld.assign(p, p - lr * v_new)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("is_matrix_first", [True, False])
def test_a_state_is_a_vector_in_one_variant_and_a_scalar_in_another(backend, is_matrix_first):
    matrix, vector = np.zeros((2, 3)), np.zeros(4)
    params = [matrix, vector] if is_matrix_first else [vector, matrix]
    learner = by_blocks(params, backend=backend)
    for _ in range(2):
        learner.update([np.ones_like(p) for p in params])
    np.testing.assert_array_equal(matrix, np.full((2, 3), -9.0))
    np.testing.assert_array_equal(vector, np.full(4, -12.0))


@ld.rule
def totals_of_rows(p, g, lr=1.0):
    """Sums over the tensor of values of rows, each of which counts for the whole row."""
    rows = ld.sum(g, axis=-1)
    total = ld.mean(rows) * ld.size(p, axis=-2) + ld.max(rows) + ld.sum(rows)
    return ld.assign(p, p - lr * total)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(2, 3), (300, 70)])
def test_reductions_over_the_tensor_of_values_of_rows(backend, shape):
    g = np.random.default_rng(0).standard_normal(shape)
    params = np.zeros(shape)
    totals_of_rows([params], backend=backend).update([g])
    rows = np.broadcast_to(g.sum(-1, keepdims=True), shape)
    np.testing.assert_allclose(-params, rows.mean() * shape[0] + rows.max() + rows.sum())


@ld.rule
def largest_of_columns(p, g, lr=1.0):
    """A state that is the largest element of each column."""
    v = ld.state("v", shape="cols")
    return ld.assign(p, p - lr * ld.assign(v, ld.max(g, axis=-2)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_largest_of_no_element_is_minus_infinity(backend):
    params = [np.zeros((0, 3)), np.zeros((2, 0))]
    learner = largest_of_columns(params, backend=backend)
    learner.update([p.copy() for p in params])
    np.testing.assert_array_equal(learner.state[0]["v"], np.full(3, -np.inf))


@ld.rule
def from_the_start(p, g, lr=1.0):
    """A vector and a scalar that keep what they start with."""
    mean = ld.state("mean", init=ld.mean(p, axis=-1), shape="rows")
    scale = ld.state("scale", init=ld.norm(p), shape="tensor")
    moved = ld.assign(p, mean - lr * scale * g)
    return ld.combine([moved, ld.assign(mean, mean), ld.assign(scale, scale)])


@pytest.mark.parametrize("backend", BACKENDS)
def test_states_that_keep_their_value_start_from_reductions_and_cost_nothing(backend):
    params = np.array([[1.0, 3.0], [5.0, 1.0]])
    learner = from_the_start([params], backend=backend)
    learner.update([np.ones((2, 2))])
    np.testing.assert_array_equal(learner.state[0]["mean"], [2.0, 3.0])
    np.testing.assert_array_equal(params, np.array([[2.0, 2.0], [3.0, 3.0]]) - 6.0)
    assert "mean_new" not in from_the_start.source()
    assert "scale_new" not in from_the_start.source()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rule", [by_blocks, largest_of_columns, from_the_start])
def test_rules_of_axes_refuse_gradients_of_some_rows(rule, backend):
    learner = rule([np.ones((4, 3))], backend=backend)
    gradient = ld.RowSparse(np.array([1, 2]), np.ones((2, 3)), (4, 3))
    with pytest.raises(ld.ArrayError, match="to_dense"):
        learner.update([gradient])
