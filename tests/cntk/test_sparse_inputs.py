"""Sparse inputs: row-sparse gradients are the dense ones, by row."""

import numpy as np
import pytest
import scipy.sparse

import learnerdsl.cntk as C
from learnerdsl.cntk.graph import evaluation
from learnerdsl.errors import (
    DtypeError,
)
from learnerdsl.runtime.arrays.sparse import RowSparse

DTYPES = [np.float32, np.float64]


def spread(*shape):
    """Numbers of both signs, no two close together."""
    count = int(np.prod(shape))
    values = np.linspace(-2, 2, count) + 0.1 / (count + 1)
    return np.random.default_rng(8).permutation(values).reshape(shape)


def embedding(dtype=np.float64, sparse=True):
    x = C.input_variable(6, dtype, is_sparse=sparse)
    y = C.input_variable(6, dtype, is_sparse=sparse)
    table = C.parameter((6, 3), spread(6, 3), dtype)
    loss = C.reduce_sum(C.square(C.times(x, table)) + C.exp(C.times(C.alias(y), table)))
    return x, y, table, loss


FIRST = scipy.sparse.csr_matrix([[0, 1, 0, 0, 0, 0], [0, 0, 0, 2, 0, 0], [0, 1, 0, 0, 0, 0]])
SECOND = scipy.sparse.csr_matrix([[0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_data_give_the_row_sparse_form_of_the_dense_gradient(dtype):
    x, y, table, loss = embedding(dtype)
    values, _, found = evaluation.value_and_gradients(loss, None, {x: FIRST, y: SECOND}, [table])
    rows = found[table]
    assert isinstance(rows, RowSparse)
    assert rows.indices.tolist() == [1, 3, 5]
    assert (rows.values.dtype, rows.shape) == (dtype, (6, 3))
    u, v, dense_table, dense_loss = embedding(dtype, sparse=False)
    data = {u: FIRST.toarray(), v: SECOND.toarray()}
    expected, _, dense = evaluation.value_and_gradients(dense_loss, None, data, [dense_table])
    np.testing.assert_allclose(values, expected, 1e-5)
    full = np.zeros((6, 3))
    full[rows.indices] = rows.values
    np.testing.assert_allclose(full, dense[dense_table], 1e-5)
    assert isinstance(loss.grad({x: FIRST, y: SECOND}, [table]), RowSparse)
    np.testing.assert_allclose(loss.eval({x: FIRST, y: SECOND}), expected, 1e-5)


def test_a_parameter_read_elsewhere_too_has_a_dense_gradient():
    x, y, table, loss = embedding()
    both = loss + C.reduce_sum(C.square(table))
    gradient = both.grad({x: FIRST, y: SECOND}, [table])
    rows = loss.grad({x: FIRST, y: SECOND}, [table])
    expected = 3 * 2 * table.value  # the term is there in each of 3 samples
    expected[rows.indices] += rows.values
    np.testing.assert_allclose(gradient, expected, 1e-12)


def test_sparse_inputs_take_dense_data_and_lists_of_rows():
    x, y, table, loss = embedding()
    expected = loss.eval({x: FIRST, y: SECOND})
    rows = [FIRST[k] for k in range(3)]
    np.testing.assert_array_equal(loss.eval({x: rows, y: SECOND.toarray()}), expected)
    gradient = loss.grad({x: rows, y: SECOND.toarray()}, [table])
    assert isinstance(gradient, RowSparse)


def test_other_operations_take_sparse_inputs_as_dense_ones():
    x, z = C.input_variable(3, is_sparse=True), C.input_variable(3)
    labels = scipy.sparse.csr_matrix([[0, 0, 1], [1, 0, 0]])
    data = {x: labels, z: [[1, 2, 3], [1, 2, 3]]}
    loss = C.cross_entropy_with_softmax(z, x).eval(data)
    np.testing.assert_allclose(loss, [0.40760596, 2.407606], 1e-6)
    np.testing.assert_array_equal(C.classification_error(z, x).eval(data), [0, 1])
    np.testing.assert_array_equal(C.alias(x).eval({x: labels}), labels.toarray())
    p = C.parameter((2, 3), init=1)
    static = C.times(C.constant([[1, 1]]), p)
    assert C.times(static * x, C.parameter((3, 2), init=1)).eval({x: labels}).shape == (2, 1, 2)
    total = C.reduce_sum(x)
    with pytest.raises(DtypeError, match="sparse data"):
        total.grad({x: labels}, [x])


def test_sparse_times_of_higher_and_lower_rank():
    x = C.input_variable(6, np.float64, is_sparse=True)
    for shape, rank in [((6,), 0), ((6, 2, 2), 2)]:
        table = C.parameter(shape, spread(*shape), np.float64)
        f = C.times(x, table, output_rank=rank)
        np.testing.assert_allclose(
            f.eval({x: FIRST}), np.tensordot(FIRST.toarray(), table.value, 1)
        )
        rows = C.square(f).grad({x: FIRST}, [table])
        assert rows.indices.tolist() == [1, 3]
        assert rows.values.shape == (2, *shape[1:])
