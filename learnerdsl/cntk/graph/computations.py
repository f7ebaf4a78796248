"""Computes every operation, on NumPy arrays or autograd's boxes around them: `COMPUTATIONS`.

An entry of the table is a function of a node and the values of its inputs. Values of batched nodes
have the batch as first axis; the value of a sparse input is a `scipy.sparse` matrix with one row
per sample.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from learnerdsl.cntk.graph import primitives, shapes
from learnerdsl.cntk.graph.nodes import Node
from learnerdsl.cntk.graph.primitives import anp

Value = Any  # ndarray, autograd's box around one, scipy.sparse matrix or Rows


@dataclass(frozen=True)
class Rows:
    """Some rows of a matrix; its other rows are not needed, because their factors are 0.

    Attributes:
        indices: indices of the rows, ascending, (rows,), int64.
        values: the rows, (rows, ...).
    """

    indices: np.ndarray
    values: Value


def dense(value: Value) -> Value:
    """Return `value` as a dense array."""
    return value.toarray() if scipy.sparse.issparse(value) else value


def batch_axes(node: Node) -> int:
    """Return the number of axes before those of a sample, 1 or 0."""
    return 1 if node.batched else 0


def _aligned(node: Node, values: Sequence[Value]) -> list[Value]:
    """Insert axes of size 1 after the batch axis, so that samples align at the last axis."""
    found = []
    for operand, value in zip(node.inputs, values, strict=True):
        array = dense(value)
        missing = node.rank - operand.rank
        if operand.batched and missing:
            array = anp.reshape(array, (array.shape[0],) + (1,) * missing + operand.shape)
        found.append(array)
    return found


def _elementwise(function: Callable[..., Value]) -> Callable[..., Value]:
    return lambda node, *values: function(*_aligned(node, values))


def _comparison(function: Callable[..., Value]) -> Callable[..., Value]:
    def compute(node: Node, *values: Value) -> Value:
        return np.asarray(function(*_aligned(node, values)), node.dtype)

    return compute


def _along_axis(function: Callable[..., Value]) -> Callable[..., Value]:
    def compute(node: Node, value: Value) -> Value:
        axis = shapes.one_axis(node.op, node.attributes["axis"], node.rank)
        return function(dense(value), axis + batch_axes(node))

    return compute


def _reduction(function: Callable[..., Value]) -> Callable[..., Value]:
    def compute(node: Node, value: Value) -> Value:
        (operand,) = node.inputs
        gone = shapes.axes(node.op, node.attributes["axis"], operand.rank)
        array = dense(value)
        reduced = function(array, tuple(axis + batch_axes(operand) for axis in gone))
        return anp.reshape(reduced, array.shape[: batch_axes(operand)] + node.shape)

    return compute


def _sum(array: Value, axes: tuple[int, ...]) -> Value:
    return anp.sum(array, axis=axes, keepdims=True) if axes else array


def _mean(array: Value, axes: tuple[int, ...]) -> Value:
    # A Python number, because a NumPy one would turn float32 into float64.
    return _sum(array, axes) / int(np.prod([array.shape[k] for k in axes], dtype=int))


def _times(node: Node, left: Value, right: Value) -> Value:
    """Multiply as matrices: the axes that are summed over become one axis, the others another."""
    first, second = node.inputs
    count = shapes.contracted(node.inputs, node.attributes["output_rank"])
    inner = int(np.prod(second.shape[:count], dtype=int))
    if scipy.sparse.issparse(left) and not second.batched and count == first.rank:
        return _sparse_times(node, left, right, inner)
    left, right = dense(left), dense(right)
    if not second.batched:
        batch = left.shape[: batch_axes(first)]
        product = anp.dot(anp.reshape(left, (-1, inner)), anp.reshape(right, (inner, -1)))
        return anp.reshape(product, batch + node.shape)
    batch = right.shape[0]
    rows = int(np.prod(first.shape[: first.rank - count], dtype=int))
    lead = (batch,) if first.batched else ()
    product = anp.matmul(
        anp.reshape(left, (*lead, rows, inner)), anp.reshape(right, (batch, inner, -1))
    )
    return anp.reshape(product, (batch, *node.shape))


def _sparse_times(node: Node, left: Value, right: Value, inner: int) -> Value:
    if isinstance(right, Rows):
        columns = np.searchsorted(right.indices, left.indices)
        size = (left.shape[0], len(right.indices))
        left = scipy.sparse.csr_array((left.data, columns, left.indptr), size)
        right, inner = right.values, size[1]
    product = primitives.sparse_product(left, anp.reshape(right, (inner, -1)))
    return anp.reshape(product, (left.shape[0], *node.shape))


def _reshape(node: Node, value: Value) -> Value:
    array = dense(value)
    return anp.reshape(array, array.shape[: batch_axes(node)] + node.shape)


def _transpose(node: Node, value: Value) -> Value:
    lead = batch_axes(node)
    order = shapes.axes("transpose", node.attributes["perm"], node.rank)
    return anp.transpose(dense(value), (*range(lead), *(axis + lead for axis in order)))


def _slice(node: Node, value: Value) -> Value:
    operand = node.inputs[0]
    key = shapes.slices(operand.rank, operand.shape, node.attributes)
    return dense(value)[(slice(None),) * batch_axes(node) + key]


def _getitem(node: Node, value: Value) -> Value:
    return dense(value)[(slice(None),) * batch_axes(node) + shapes.index(node.attributes["key"])]


def _splice(node: Node, *values: Value) -> Value:
    axis = shapes.one_axis("splice", node.attributes["axis"], node.rank)
    arrays = [dense(value) for value in values]
    if node.batched:
        sizes = [a.shape[0] for a, i in zip(arrays, node.inputs, strict=True) if i.batched]
        arrays = [
            a if i.batched else anp.broadcast_to(a, (sizes[0], *i.shape))
            for a, i in zip(arrays, node.inputs, strict=True)
        ]
    return anp.concatenate(arrays, axis + batch_axes(node))


def _assign(node: Node, target: Value, value: Value) -> Value:
    return anp.broadcast_to(value, node.shape)


def _clip(value: Value, low: Value, high: Value) -> Value:
    return primitives.larger(primitives.smaller(value, high), low)


def _identity(node: Node, value: Value) -> Value:
    return value


def _combine(node: Node, *values: Value) -> Value:
    return values[0] if len(values) == 1 else None


def _classification_error(node: Node, *values: Value) -> Value:
    """Return 1 where the largest target is not among the `top` largest outputs, else 0."""
    operand = node.inputs[0]
    axis = shapes.one_axis(node.op, node.attributes["axis"], operand.rank)
    output, target = (
        np.moveaxis(dense(primitives.without_gradient(value)), axis - operand.rank, -1)
        for value in _aligned_samples(node, values)
    )
    best = np.argsort(-output, axis=-1, kind="stable")[..., : node.attributes["top"]]
    wrong = ~np.any(best == np.argmax(target, axis=-1)[..., None], axis=-1)
    lead = wrong.shape[: batch_axes(node)]
    return wrong.astype(node.dtype).reshape(lead + node.shape)


def _aligned_samples(node: Node, values: Sequence[Value]) -> list[Value]:
    """Add a batch axis of size 1 to values that lack one, if others have one."""
    return [
        value[None] if node.batched and not operand.batched else value
        for operand, value in zip(node.inputs, values, strict=True)
    ]


COMPUTATIONS: dict[str, Callable[..., Value]] = {
    "plus": _elementwise(anp.add),
    "minus": _elementwise(anp.subtract),
    "element_times": _elementwise(anp.multiply),
    "element_divide": _elementwise(anp.true_divide),
    "pow": _elementwise(anp.power),
    "element_max": _elementwise(primitives.larger),
    "element_min": _elementwise(primitives.smaller),
    "element_select": _elementwise(primitives.select),
    "clip": _elementwise(_clip),
    "relu": _elementwise(primitives.relu),
    "sigmoid": _elementwise(primitives.sigmoid),
    "tanh": _elementwise(primitives.tanh),
    "exp": _elementwise(anp.exp),
    "log": _elementwise(anp.log),
    "sqrt": _elementwise(primitives.sqrt),
    "square": _elementwise(anp.square),
    "abs": _elementwise(primitives.absolute),
    "negate": _elementwise(anp.negative),
    "stop_gradient": _elementwise(primitives.without_gradient),
    "alias": _identity,
    "dropout": _elementwise(lambda value: value),  # evaluation.py drops elements in training
    "less": _comparison(anp.less),
    "less_equal": _comparison(anp.less_equal),
    "greater": _comparison(anp.greater),
    "greater_equal": _comparison(anp.greater_equal),
    "equal": _comparison(anp.equal),
    "not_equal": _comparison(anp.not_equal),
    "softmax": _along_axis(primitives.softmax),
    "log_softmax": _along_axis(primitives.log_softmax),
    "reduce_sum": _reduction(_sum),
    "reduce_mean": _reduction(_mean),
    "reduce_max": _reduction(primitives.highest),
    "reduce_min": _reduction(primitives.lowest),
    "times": _times,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "getitem": _getitem,
    "splice": _splice,
    "assign": _assign,
    "combine": _combine,
    "classification_error": _classification_error,
}
