"""The shape of what an operation gives, from its inputs and attributes: one table, `SHAPES`.

Shapes are those of one sample. Operands of element-wise operations are aligned at their last axes,
as in NumPy. An operation that cannot be is an ArrayError here, when the graph is built.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.cntk.nodes import Node, Shape
from learnerdsl.errors import ArrayError, HyperparameterError

Attributes = Mapping[str, Any]


def axes(op: str, axis: Any, rank: int) -> tuple[int, ...]:
    """`axis` (None for all, an int, or several) as numbers from 0 to `rank` - 1."""
    given = range(rank) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    for number in given:
        if not isinstance(number, (int, np.integer)) or not -rank <= number < rank:
            msg = f"{op}: {axis=} is no axis of a value with {rank}; give {-rank} to {rank - 1}."
            raise ArrayError(msg)
    found = tuple(int(number) % rank for number in given)
    if len(set(found)) < len(found):
        msg = f"{op}: {axis=} names an axis twice; give every axis once."
        raise ArrayError(msg)
    return found


def broadcast(op: str, inputs: Sequence[Node]) -> Shape:
    """Shape of an element-wise operation."""
    try:
        return np.broadcast_shapes(*(node.shape for node in inputs))
    except ValueError:
        listed = " and ".join(f"{node.shape} ({node!r})" for node in inputs)
        msg = f"{op} cannot combine {listed}: aligned at the last axis, sizes must be equal or 1."
        raise ArrayError(msg) from None


def _elementwise(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    return broadcast(op, inputs)


def _along_axis(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    axes(op, attributes["axis"], inputs[0].rank)
    return inputs[0].shape


def _dropout(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    rate = attributes["rate"]
    if not 0 <= rate < 1:
        msg = f"dropout cannot drop a share of {rate}; give a dropout_rate from 0 to below 1."
        raise HyperparameterError(msg)
    return inputs[0].shape


def _reduce(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    shape, axis = inputs[0].shape, attributes["axis"]
    gone = axes(op, axis, len(shape))
    if axis is None:
        return ()
    if attributes["keepdims"]:
        return tuple(1 if k in gone else n for k, n in enumerate(shape))
    return tuple(n for k, n in enumerate(shape) if k not in gone)


def _classification_error(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    output, target = inputs
    if output.shape != target.shape or not output.rank:
        msg = f"{op} compares vectors of one shape, not {output.shape} with {target.shape}."
        raise ArrayError(msg)
    (axis,) = axes(op, attributes["axis"], output.rank)
    count = output.shape[axis]
    if not 1 <= attributes["top"] <= count:
        msg = f"{op}: topN={attributes['top']} is not from 1 to the number of classes, {count}."
        raise HyperparameterError(msg)
    if output.rank == 1:
        return ()
    return tuple(1 if k == axis else n for k, n in enumerate(output.shape))


def contracted(inputs: Sequence[Node], output_rank: int) -> int:
    """Number of axes over which `times` sums."""
    return inputs[1].rank - output_rank


def _times(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    left, right = inputs
    count = contracted(inputs, attributes["output_rank"])
    if not 0 <= count <= left.rank:
        msg = (
            f"times: the right operand {right!r} has {right.rank} axes, of which "
            f"output_rank={attributes['output_rank']} stay, so it cannot sum over {count} of the "
            f"{left.rank} axes of {left!r}."
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
    begin = attributes["begin"] or 0
    end = len(shape) if attributes["end"] is None else attributes["end"]
    first, last, _ = slice(begin, end).indices(len(shape))
    size = int(np.prod(shape[first:last], dtype=int))
    new = list(attributes["shape"])
    known = int(np.prod([n for n in new if n != -1], dtype=int))
    if new.count(-1) == 1 and known > 0 and size % known == 0:
        new[new.index(-1)] = size // known
    if -1 in new or any(n < 1 for n in new) or np.prod(new, dtype=int) != size:
        msg = (
            f"reshape cannot turn {shape[first:last]} ({size} numbers) into {attributes['shape']}; "
            "give a shape for as many numbers, with at most one -1."
        )
        raise ArrayError(msg)
    return (*shape[:first], *new, *shape[last:])


def _transpose(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    shape = inputs[0].shape
    order = axes(op, attributes["perm"], len(shape))
    if len(order) != len(shape):
        msg = f"transpose of shape {shape} needs all axes in perm, not {attributes['perm']}."
        raise ArrayError(msg)
    return tuple(shape[k] for k in order)


def index(node: Node) -> tuple[int | slice, ...]:
    """The NumPy index of a "getitem" node, without the batch axis."""
    return tuple(slice(*k) if isinstance(k, (tuple, list)) else k for k in node.attributes["key"])


def slices(rank: int, shape: Shape, attributes: Attributes) -> tuple[slice, ...]:
    """The NumPy index of a "slice" node, without the batch axis. An end of 0 is the end."""
    found = [slice(None)] * rank
    names = axes("slice", attributes["axis"], rank)
    for k, *bounds in zip(
        names, attributes["begin"], attributes["end"], attributes["strides"], strict=True
    ):
        begin, end, stride = bounds
        begin = begin + shape[k] if begin < 0 else begin
        end = end + shape[k] if end <= 0 else end
        if not 0 <= begin < end <= shape[k]:
            msg = (
                f"slice from {bounds[0]} to {bounds[1]} is not inside axis {k} of shape {shape}, "
                "or is empty."
            )
            raise ArrayError(msg)
        # A stride below 0 walks the same elements from the end, as in CNTK.
        backwards = slice(end - 1, begin - 1 if begin else None, stride)
        found[k] = slice(begin, end, stride) if stride > 0 else backwards
    return tuple(found)


def _slice(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    shape = inputs[0].shape
    return _indexed(op, shape, slices(len(shape), shape, attributes))


def _getitem(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    key = tuple(slice(*k) if isinstance(k, (tuple, list)) else k for k in attributes["key"])
    return _indexed(op, inputs[0].shape, key)


def _indexed(op: str, shape: Shape, key: tuple[int | slice, ...]) -> Shape:
    try:
        found = np.broadcast_to(np.int8(0), shape)[key].shape
    except (IndexError, ValueError):
        found = (0,)
    if 0 in found:
        msg = f"{op}: {key} does not select anything of shape {shape}."
        raise ArrayError(msg)
    return found


def _splice(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    ranks = {node.rank for node in inputs}
    if len(ranks) != 1 or ranks == {0}:
        shapes = [node.shape for node in inputs]
        msg = f"splice joins values with the same number of axes, at least 1, not shapes {shapes}."
        raise ArrayError(msg)
    (axis,) = axes(op, attributes["axis"], ranks.pop())
    rests = {node.shape[:axis] + node.shape[axis + 1 :] for node in inputs}
    if len(rests) != 1:
        shapes = [node.shape for node in inputs]
        msg = f"splice along {axis=} needs equal sizes on the other axes, not shapes {shapes}."
        raise ArrayError(msg)
    whole = list(inputs[0].shape)
    whole[axis] = sum(node.shape[axis] for node in inputs)
    return tuple(whole)


def _assign(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    target, value = inputs
    if not (target.is_parameter or target.is_constant):
        msg = f"assign cannot change {target!r}; give a parameter or a constant as the target."
        raise ArrayError(msg)
    if value.batched or broadcast(op, inputs) != target.shape:
        batch = "a batch of " if value.batched else ""
        msg = f"assign cannot store {batch}{value.shape} in {target!r}; reduce it to its shape."
        raise ArrayError(msg)
    return target.shape


def _combine(op: str, inputs: Sequence[Node], attributes: Attributes) -> Shape:
    return inputs[0].shape if len(inputs) == 1 else ()


ELEMENTWISE = (
    "plus",
    "minus",
    "element_times",
    "element_divide",
    "pow",
    "element_max",
    "element_min",
    "clip",
    "element_select",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
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
)
REDUCTIONS = ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min")

SHAPES: dict[str, Callable[[str, Sequence[Node], Attributes], Shape]] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(REDUCTIONS, _reduce),
    "softmax": _along_axis,
    "log_softmax": _along_axis,
    "dropout": _dropout,
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
