"""Evaluates graphs with NumPy, and differentiates them with the `autograd` package.

Data for every input come in; values go out, with a batch axis if the node depends on an input. A
parameter that is only multiplied by sparse inputs gets a row-sparse gradient, and only the rows
that the data select are read.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse
from autograd import make_vjp
from autograd.tracer import getval

from learnerdsl.cntk.graph import walks
from learnerdsl.cntk.graph.computations import COMPUTATIONS, Rows, Value
from learnerdsl.cntk.graph.nodes import HasArray, Node, numbers
from learnerdsl.cntk.graph.primitives import anp
from learnerdsl.cntk.graph.variables import Input, Parameter, Stored
from learnerdsl.errors import ArrayError, DtypeError, RuleError, UnknownNameError
from learnerdsl.runtime.arrays.sparse import RowSparse

Data = Any  # an array, nested lists, a scipy.sparse matrix, a list of them, Value or NDArrayView
Arguments = Mapping[Any, Data] | Data | None
Gradient = np.ndarray | RowSparse

differentiated: Any = make_vjp  # its decorator hides the types from type checkers
_generators: WeakKeyDictionary[Node, np.random.Generator] = WeakKeyDictionary()


def evaluate(
    outputs: Sequence[Node], arguments: Arguments = None, training: bool = False
) -> list[np.ndarray]:
    """Evaluate nodes, then let the `assign` nodes that they need store their values.

    Args:
        outputs: the nodes.
        arguments: dict from input or its name to data; the data alone if there is one input.
        training: whether dropout is active.

    Returns:
        An array for each output, with a batch axis if the node depends on an input.
    """
    order = walks.topological(outputs)
    with np.errstate(all="ignore"):
        values = _run(order, bind(outputs, arguments), training)
        found = [_array(node, values[node]) for node in outputs]
    _store(order, values)
    return found


def value_and_gradients(
    loss: Node,
    metrics: Node | None,
    arguments: Arguments,
    parameters: Sequence[Parameter],
    training: bool = True,
) -> tuple[np.ndarray, np.ndarray | None, dict[Parameter, Gradient]]:
    """Compute loss, metric and gradients of a minibatch.

    Args:
        loss: the node to differentiate, summed over the minibatch.
        metrics: a node to evaluate too, or None.
        arguments: dict from input or its name to data.
        parameters: the parameters to differentiate by.
        training: whether dropout is active.

    Returns:
        The loss of every sample; the metric of every sample, or None; and a dict from parameter to
        the gradient summed over the minibatch, an array or a `RowSparse`.
    """
    outputs = (loss,) if metrics is None else (loss, metrics)
    values, gradients = _differentiate(outputs, arguments, parameters, training)
    per_sample = [_per_sample(node, value) for node, value in zip(outputs, values, strict=True)]
    by_parameter = dict(zip(parameters, gradients, strict=True))
    return per_sample[0], None if metrics is None else per_sample[1], by_parameter


def gradients(
    outputs: Sequence[Node], arguments: Arguments, wrt: Sequence[Node]
) -> tuple[list[np.ndarray], list[Gradient]]:
    """Evaluate nodes, and differentiate the sum of the first node's elements.

    Args:
        outputs: the nodes.
        arguments: dict from input or its name to data.
        wrt: inputs, parameters and constants to differentiate by.

    Returns:
        A value for each output, and a gradient for each of `wrt`.
    """
    return _differentiate(outputs, arguments, wrt, training=False)


def _differentiate(
    outputs: Sequence[Node], arguments: Arguments, wrt: Sequence[Node], training: bool
) -> tuple[list[np.ndarray], list[Gradient]]:
    order = walks.topological(outputs)
    bound = bind(outputs, arguments)
    rows = {node: _rows_read(node, order, outputs, bound) for node in wrt}
    start = tuple(_start(node, bound, rows[node]) for node in wrt)
    values: dict[Node, Value] = {}

    def total(variables: Sequence[Value]) -> Value:
        leaves = dict(bound)
        for node, variable in zip(wrt, variables, strict=True):
            read = rows[node]
            leaves[node] = variable if read is None else Rows(read, variable)
        values.update(_run(order, leaves, training))
        return anp.sum(values[outputs[0]])

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Output seems independent", UserWarning)
        backwards, summed = differentiated(total)(start)
        found = backwards(np.ones_like(summed))
    raw = {node: getval(value) for node, value in values.items() if not isinstance(value, Rows)}
    results = [_array(node, raw[node]) for node in outputs]
    _store(order, raw)
    return results, [
        _gradient(node, gradient, rows[node]) for node, gradient in zip(wrt, found, strict=True)
    ]


def _run(order: Iterable[Node], leaves: Mapping[Node, Value], training: bool) -> dict[Node, Value]:
    """Evaluate all nodes in order, from the values of the leaves."""
    values = dict(leaves)
    for node in order:
        if node in values:
            continue
        if not node.inputs:
            values[node] = stored(node)
            continue
        value = COMPUTATIONS[node.op](node, *(values[operand] for operand in node.inputs))
        values[node] = _dropped(node, value) if training and node.op == "dropout" else value
    return values


def stored(node: Node) -> np.ndarray:
    """Return the array of a parameter or constant."""
    if not isinstance(node, Stored):
        msg = f"{node!r} ({node.op}) has a value only inside a learner and cannot be evaluated."
        raise RuleError(msg)
    return node.memory


def _dropped(node: Node, value: Value) -> Value:
    """Set a random share of `value` to zero, and scale the rest so that the mean stays the same."""
    rate, seed = node.attributes["rate"], node.attributes["seed"]
    if node not in _generators:
        _generators[node] = np.random.default_rng(seed)
    kept = _generators[node].random(value.shape, np.float32) >= rate
    return value * (kept.astype(node.dtype) / (1 - rate))


def _store(order: Iterable[Node], values: Mapping[Node, Value]) -> None:
    """Store the values of all `assign` nodes in their targets, once all values are known."""
    new = [(n.inputs[0], np.array(values[n])) for n in order if n.op == "assign"]
    for target, value in new:
        stored(target)[...] = value


def _array(node: Node, value: Value) -> np.ndarray:
    if scipy.sparse.issparse(value):
        return value.toarray()
    return np.array(value, dtype=node.dtype, order="C")


def _per_sample(node: Node, value: np.ndarray) -> np.ndarray:
    return value.reshape(len(value) if node.batched else 1, -1).sum(axis=1)


def _start(node: Node, bound: Mapping[Node, Value], rows: np.ndarray | None) -> np.ndarray:
    """Return the value of `node` to differentiate at."""
    value = bound.get(node)
    if scipy.sparse.issparse(value):
        msg = f"{node!r} has sparse data, for which there is no gradient; make the input dense."
        raise DtypeError(msg)
    if value is None:
        value = stored(node)
    return value if rows is None else value[rows]


def _gradient(node: Node, gradient: np.ndarray, rows: np.ndarray | None) -> Gradient:
    array = np.asarray(gradient, dtype=node.dtype, order="C")
    return array if rows is None else RowSparse(rows, array, node.shape)


def _rows_read(
    node: Node, order: Iterable[Node], outputs: Sequence[Node], bound: Mapping[Node, Value]
) -> np.ndarray | None:
    """Return the rows of a parameter that sparse data select; None if anything else reads it."""
    if not node.is_parameter or node in outputs:
        return None
    factors: list[Value] = []
    for reader in order:
        if node not in reader.inputs:
            continue
        left = reader.inputs[0]
        while left.op == "alias":
            left = left.inputs[0]
        contracts = reader.attributes.get("output_rank") == node.rank - 1
        if reader.op != "times" or not contracts or not scipy.sparse.issparse(bound.get(left)):
            return None
        factors.append(bound[left])
    if not factors:
        return None
    return np.unique(np.concatenate([factor.indices for factor in factors])).astype(np.int64)


def bind(outputs: Sequence[Node], arguments: Arguments) -> dict[Node, Value]:
    """Return the data of every input that the outputs need, as `batch` returns them."""
    inputs = walks.leaves(outputs, Input)
    given = _by_input(inputs, arguments)
    bound: dict[Node, Value] = {node: batch(node, data) for node, data in given.items()}
    sizes = {value.shape[0] for value in bound.values()}
    if len(sizes) > 1:
        listed = ", ".join(f"{value.shape[0]} for {node!r}" for node, value in bound.items())
        msg = (
            f"The data have different numbers of samples: {listed}; give each input the same "
            "number."
        )
        raise ArrayError(msg)
    return bound


def _by_input(inputs: Sequence[Input], arguments: Arguments) -> dict[Any, Data]:
    takes = ", ".join(map(repr, inputs)) or "no inputs"
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, Mapping):
        if len(inputs) != 1:
            msg = f"The data do not name an input, but the function takes {takes}; give a dict."
            raise UnknownNameError(msg)
        arguments = {inputs[0]: arguments}
    names = {node.name: node for node in inputs if node.name}
    given = {
        names.get(key, key) if isinstance(key, str) else key: arguments[key] for key in arguments
    }
    for key in given:
        if key not in inputs:
            msg = f"There are data for {key!r}, but the function takes {takes}; leave them out."
            raise UnknownNameError(msg)
    missing = [node for node in inputs if node not in given]
    if missing:
        msg = f"Data for {', '.join(map(repr, missing))} are missing; the function takes {takes}."
        raise UnknownNameError(msg)
    return given


def batch(node: Input, data: Data) -> Value:
    """Return the data of an input as an array or CSR matrix with a batch axis, in its dtype."""
    if isinstance(data, HasArray):
        data = data.asarray()
    if isinstance(data, (list, tuple)) and data and all(map(scipy.sparse.issparse, data)):
        data = _stacked(node, data)
    array: Any
    if scipy.sparse.issparse(data):
        array = _as_csr(node, data)
        array = array if node.is_sparse else array.toarray()
    else:
        array = numbers(data, f"The data for {node!r}").astype(node.dtype, copy=False)
    if array.ndim == node.rank:
        array = array.reshape((1, *array.shape))
    if array.ndim == node.rank + 2 and array.shape[1] == 1:  # CNTK's sequences of length 1
        array = array.reshape((array.shape[0], *array.shape[2:]))
    if array.shape[1:] != node.shape or array.shape[0] == 0:
        msg = (
            f"Data of shape {array.shape} for {node!r}; give at least one sample, "
            f"as an array of shape {('samples', *node.shape)}."
        )
        raise ArrayError(msg)
    sparse = node.is_sparse and not scipy.sparse.issparse(array)
    return scipy.sparse.csr_array(array) if sparse else array


def _stacked(node: Input, data: Sequence[Any]) -> Any:
    """Stack the rows of several sparse matrices."""
    try:
        return scipy.sparse.vstack(data)
    except ValueError:
        shapes = ", ".join(str(matrix.shape) for matrix in data)
        msg = f"The data for {node!r} have the shapes {shapes}; give matrices of the same width."
        raise ArrayError(msg) from None


def _as_csr(node: Input, data: Any) -> Any:
    if data.dtype.kind not in "biuf" or data.ndim != 2:
        msg = (
            f"The data for {node!r} are a sparse array of dtype {data.dtype} and shape "
            f"{data.shape}; give a matrix of real numbers, with a row for each sample."
        )
        raise DtypeError(msg)
    return scipy.sparse.csr_array(data, dtype=node.dtype)
