"""The shape of the result of every operation, from its inputs and attributes: `OPERATIONS`.

Shapes are those of one sample. Operands of elementwise operations are aligned at their last axes,
as in NumPy. An impossible operation raises an ArrayError here, when the graph is built.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.cntk.checks import flag, is_whole, number, shown, whole
from learnerdsl.cntk.graph.nodes import Node, Shape, checked_shape
from learnerdsl.errors import ArrayError, HyperparameterError, RuleError

Attributes = Mapping[str, Any]
ShapeFunction = Callable[[str, Sequence[Node], Attributes], Shape]


@dataclass(frozen=True)
class Operation:
    """The requirements on a node of an operation.

    Attributes:
        shape: returns the shape of the node, or raises; checks the values of the attributes too.
        inputs: number of inputs; 0 for one or more.
        attributes: names of the attributes.
    """

    shape: ShapeFunction
    inputs: int = 1
    attributes: tuple[str, ...] = ()


def shape_of(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    """Return the shape of the result of an operation; raise if the operation is impossible."""
    operation = OPERATIONS.get(op)
    if operation is None:
        msg = f"There is no operation {shown(op)}; use one of the functions of learnerdsl.cntk."
        raise RuleError(msg)
    needed = operation.inputs or max(len(inputs), 1)
    if len(inputs) != needed:
        msg = f"{op} takes {needed} operands, got {len(inputs)}."
        raise ArrayError(msg)
    # The last node of a layer also names the layer's parameters.
    names = set(attributes) - {"layer"}
    if names != set(operation.attributes):
        msg = f"{op} has the attributes {list(operation.attributes)}, got {sorted(names)}."
        raise HyperparameterError(msg)
    return operation.shape(op, inputs, attributes)


def axes(op: str, axis: Any, rank: int) -> tuple[int, ...]:
    """Return `axis` (None for all, an int, or several) as numbers from 0 to `rank` - 1."""
    given = range(rank) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    for entry in given:
        if not is_whole(entry) or not -rank <= entry < rank:
            place = f"give {-rank} to {rank - 1}" if rank else "leave it out for a scalar"
            msg = f"{op}: axis={shown(axis)} is not an axis of a value with {rank} axes; {place}."
            raise ArrayError(msg)
    found = tuple(int(entry) % rank for entry in given)
    if len(set(found)) < len(found):
        msg = f"{op}: {axis=} names an axis twice; give each axis once."
        raise ArrayError(msg)
    return found


def one_axis(op: str, axis: Any, rank: int) -> int:
    """Return `axis`, an int, as a number from 0 to `rank` - 1."""
    if not is_whole(axis):
        msg = f"{op} works along one axis, got axis={shown(axis)}; give an int."
        raise ArrayError(msg)
    return axes(op, axis, rank)[0]


def broadcast(op: str, inputs: Sequence[Node]) -> Shape:
    """Return the shape of an elementwise operation."""
    try:
        return np.broadcast_shapes(*(node.shape for node in inputs))
    except ValueError:
        listed = " and ".join(f"{node.shape} ({node!r})" for node in inputs)
        msg = f"{op} cannot combine {listed}: aligned at the last axis, sizes must be equal or 1."
        raise ArrayError(msg) from None


def _elementwise(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    return broadcast(op, inputs)


def _along_axis(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    one_axis(op, attributes["axis"], inputs[0].rank)
    return inputs[0].shape


def dropout_rate(name: str, rate: Any) -> float:
    """Return `rate`, or raise if it is not a share of elements that can be dropped."""
    return number(name, rate, lambda share: 0 <= share < 1, "a number from 0 to below 1")


def _dropout(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    dropout_rate("dropout_rate", attributes["rate"])
    whole("seed", attributes["seed"])
    return inputs[0].shape


def _reduce(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    shape, axis = inputs[0].shape, attributes["axis"]
    gone = axes(op, axis, len(shape))
    keepdims = flag("keepdims", attributes["keepdims"])
    if axis is None:
        return ()
    if keepdims:
        return tuple(1 if k in gone else n for k, n in enumerate(shape))
    return tuple(n for k, n in enumerate(shape) if k not in gone)


def _classification_error(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    output, target = inputs
    if output.shape != target.shape or not output.rank:
        msg = (
            f"{op} compares arrays of the same shape, with at least one axis; got {output.shape} "
            f"and {target.shape}."
        )
        raise ArrayError(msg)
    axis = one_axis(op, attributes["axis"], output.rank)
    count = output.shape[axis]
    if not 1 <= whole("topN", attributes["top"], 1) <= count:
        msg = f"{op}: topN={attributes['top']} must be from 1 to the number of classes, {count}."
        raise HyperparameterError(msg)
    if output.rank == 1:
        return ()
    return tuple(1 if k == axis else n for k, n in enumerate(output.shape))


def contracted(inputs: Sequence[Node], output_rank: int) -> int:
    """Return the number of axes that `times` sums over."""
    return inputs[1].rank - output_rank


def _times(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    left, right = inputs
    count = contracted(inputs, whole("output_rank", attributes["output_rank"]))
    if not 0 <= count <= left.rank:
        msg = (
            f"times: the right operand {right!r} has {right.rank} axes, of which "
            f"output_rank={attributes['output_rank']} stay, so times would sum over {count} of the "
            f"{left.rank} axes of {left!r}; change output_rank."
        )
        raise ArrayError(msg)
    inner, outer = left.shape[left.rank - count :], left.shape[: left.rank - count]
    if inner != right.shape[:count]:
        msg = (
            f"times sums over the last axes of the left operand, {inner}, and the first of the "
            f"right one, {right.shape[:count]}, which must be equal: {left!r} and {right!r}."
        )
        raise ArrayError(msg)
    return outer + right.shape[count:]


def _reshape(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    shape = inputs[0].shape
    first = _border("begin_axis", attributes["begin"], 0, len(shape))
    last = _border("end_axis", attributes["end"], len(shape), len(shape))
    size = math.prod(shape[first:last])
    given = attributes["shape"]
    new = new_sizes(given)
    known = math.prod(n for n in new if n != -1)
    if new.count(-1) == 1 and size % known == 0:
        new[new.index(-1)] = size // known
    if -1 in new or math.prod(new) != size:
        msg = (
            f"reshape cannot turn {shape[first:last]} ({size} numbers) into {given}; "
            "give a shape for as many numbers, with at most one -1."
        )
        raise ArrayError(msg)
    return (*shape[:first], *new, *shape[last:])


def new_sizes(shape: Any) -> list[int]:
    """Return the sizes of a new shape: positive ints, or -1 for one to be inferred."""
    sizes = (shape,) if is_whole(shape) else shape
    if not isinstance(sizes, (tuple, list)):
        msg = f"reshape needs a shape, got shape={shown(shape)}; give an int or a tuple of ints."
        raise ArrayError(msg)
    return [-1 if is_whole(n) and n == -1 else checked_shape(n)[0] for n in sizes]


def _border(name: str, axis: Any, default: int, rank: int) -> int:
    """Return the number of an axis; `rank` is the end after the last axis."""
    if axis is None:
        return default
    if not is_whole(axis) or not -rank <= axis <= rank:
        msg = f"reshape: {name}={shown(axis)} is not an axis; give an int from {-rank} to {rank}."
        raise ArrayError(msg)
    return int(axis) + rank if axis < 0 else int(axis)


def _transpose(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    shape = inputs[0].shape
    order = axes(op, attributes["perm"], len(shape))
    if not isinstance(attributes["perm"], (tuple, list)) or len(order) != len(shape):
        msg = f"transpose of shape {shape} needs all axes in perm, got {attributes['perm']}."
        raise ArrayError(msg)
    return tuple(shape[k] for k in order)


def index(key: Any) -> tuple[int | slice, ...]:
    """Return the NumPy index of the key of a "getitem" node, without the batch axis."""
    entries = key if isinstance(key, (tuple, list)) else (key,)
    found: list[int | slice] = []
    for entry in entries:
        bounds = entry if isinstance(entry, (tuple, list)) else (entry,)
        is_slice = bounds is entry and len(bounds) == 3
        if not (is_slice or is_whole(entry)) or not all(is_whole(k) or k is None for k in bounds):
            msg = f"getitem: {shown(entry)} cannot be an index; give an int or (start, stop, step)."
            raise ArrayError(msg)
        found.append(slice(*bounds) if is_slice else int(bounds[0]))
    return tuple(found)


def slices(rank: int, shape: Shape, attributes: Attributes) -> tuple[slice, ...]:
    """Return the NumPy index of a "slice" node, without the batch axis.

    An end of 0 stands for the end of the axis.
    """
    found = [slice(None)] * rank
    names = axes("slice", attributes["axis"], rank)
    columns = [attributes[name] for name in ("begin", "end", "strides")]
    for column in columns:
        is_list = isinstance(column, (tuple, list)) and len(column) == len(names)
        if not is_list or not all(map(is_whole, column)) or 0 in columns[2]:
            msg = (
                "slice needs a begin, an end and a stride other than 0 for each axis, all of them "
                f"ints; got {', '.join(f'{k}={shown(v)}' for k, v in attributes.items())}."
            )
            raise HyperparameterError(msg)
    for k, *bounds in zip(names, *columns, strict=True):
        begin, end, stride = bounds
        begin = begin + shape[k] if begin < 0 else begin
        end = end + shape[k] if end <= 0 else end
        if not 0 <= begin < end <= shape[k]:
            msg = (
                f"slice from {bounds[0]} to {bounds[1]} is empty or reaches outside of axis {k} of "
                f"shape {shape}."
            )
            raise ArrayError(msg)
        # A negative stride visits the same elements from the end, as in CNTK.
        backwards = slice(end - 1, begin - 1 if begin else None, stride)
        found[k] = slice(begin, end, stride) if stride > 0 else backwards
    return tuple(found)


def _slice(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    shape = inputs[0].shape
    return _indexed(op, shape, slices(len(shape), shape, attributes))


def _getitem(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    return _indexed(op, inputs[0].shape, index(attributes["key"]))


def _indexed(op: str, shape: Shape, key: tuple[int | slice, ...]) -> Shape:
    try:
        found = np.broadcast_to(np.int8(0), shape)[key].shape
    except (IndexError, ValueError):
        found = (0,)
    if 0 in found:
        msg = f"{op}: {shown(key)} does not select any element of shape {shape}."
        raise ArrayError(msg)
    return found


def _splice(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    ranks = {node.rank for node in inputs}
    if len(ranks) != 1 or ranks == {0}:
        shapes = [node.shape for node in inputs]
        msg = (
            "splice joins values with the same number of axes, at least 1; got the shapes "
            f"{shapes}."
        )
        raise ArrayError(msg)
    axis = one_axis(op, attributes["axis"], ranks.pop())
    rests = {node.shape[:axis] + node.shape[axis + 1 :] for node in inputs}
    if len(rests) != 1:
        shapes = [node.shape for node in inputs]
        msg = f"splice along {axis=} needs equal sizes on the other axes, got the shapes {shapes}."
        raise ArrayError(msg)
    whole = list(inputs[0].shape)
    whole[axis] = sum(node.shape[axis] for node in inputs)
    return tuple(whole)


def _assign(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    target, value = inputs
    if not (target.is_parameter or target.is_constant):
        msg = f"assign cannot change {target!r}; give a parameter or a constant as target."
        raise ArrayError(msg)
    if value.batched or broadcast(op, inputs) != target.shape:
        batch = "a batch of " if value.batched else ""
        msg = f"assign cannot store {batch}{value.shape} in {target!r}; reduce it to its shape."
        raise ArrayError(msg)
    return target.shape


def _combine(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    return inputs[0].shape if len(inputs) == 1 else ()


ELEMENTWISE = {
    1: (
        "relu",
        "sigmoid",
        "tanh",
        "exp",
        "log",
        "sqrt",
        "square",
        "abs",
        "negate",
        "stop_gradient",
        "alias",
    ),
    2: (
        "plus",
        "minus",
        "element_times",
        "element_divide",
        "pow",
        "element_max",
        "element_min",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "equal",
        "not_equal",
    ),
    3: ("clip", "element_select"),
}
REDUCTIONS = ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min")

OPERATIONS: dict[str, Operation] = {
    **{op: Operation(_elementwise, n) for n, ops in ELEMENTWISE.items() for op in ops},
    **dict.fromkeys(REDUCTIONS, Operation(_reduce, 1, ("axis", "keepdims"))),
    "softmax": Operation(_along_axis, 1, ("axis",)),
    "log_softmax": Operation(_along_axis, 1, ("axis",)),
    "dropout": Operation(_dropout, 1, ("rate", "seed")),
    "times": Operation(_times, 2, ("output_rank",)),
    "reshape": Operation(_reshape, 1, ("shape", "begin", "end")),
    "transpose": Operation(_transpose, 1, ("perm",)),
    "slice": Operation(_slice, 1, ("axis", "begin", "end", "strides")),
    "getitem": Operation(_getitem, 1, ("key",)),
    "splice": Operation(_splice, 0, ("axis",)),
    "assign": Operation(_assign, 2),
    "combine": Operation(_combine, 0),
    "classification_error": Operation(_classification_error, 2, ("axis", "top")),
}
