"""The operations on nodes, by CNTK's names. What each computes is in `kernels.py`.

Operands are nodes, numbers or arrays; operands of element-wise operations are aligned at their last
axes. Comparisons give 1 and 0. Axes are those of one sample: the batch axis is not counted.
"""

from collections.abc import Sequence
from typing import Any

from learnerdsl.cntk.checks import shown
from learnerdsl.cntk.graph import shapes
from learnerdsl.cntk.graph.functions import Function, apply, nodes_of
from learnerdsl.cntk.graph.initializers import next_seed
from learnerdsl.cntk.graph.nodes import Node, Operand
from learnerdsl.errors import DtypeError, RuleError

Axis = int | Sequence[int] | None


def minus(left: Operand, right: Operand, name: str = "") -> Function:
    """`left` - `right`."""
    return apply("minus", (left, right), name=name)


def element_divide(left: Operand, right: Operand, name: str = "") -> Function:
    """`left` / `right`."""
    return apply("element_divide", (left, right), name=name)


def pow(base: Operand, exponent: Operand, name: str = "") -> Function:
    """`base` to the power `exponent`."""
    return apply("pow", (base, exponent), name=name)


def less(left: Operand, right: Operand, name: str = "") -> Function:
    """1 where `left` < `right`, else 0."""
    return apply("less", (left, right), name=name)


def less_equal(left: Operand, right: Operand, name: str = "") -> Function:
    """1 where `left` <= `right`, else 0."""
    return apply("less_equal", (left, right), name=name)


def greater(left: Operand, right: Operand, name: str = "") -> Function:
    """1 where `left` > `right`, else 0."""
    return apply("greater", (left, right), name=name)


def greater_equal(left: Operand, right: Operand, name: str = "") -> Function:
    """1 where `left` >= `right`, else 0."""
    return apply("greater_equal", (left, right), name=name)


def equal(left: Operand, right: Operand, name: str = "") -> Function:
    """1 where the two are equal, else 0."""
    return apply("equal", (left, right), name=name)


def not_equal(left: Operand, right: Operand, name: str = "") -> Function:
    """1 where the two differ, else 0."""
    return apply("not_equal", (left, right), name=name)


def relu(x: Operand, name: str = "") -> Function:
    """`x` where it is above 0, else 0."""
    return apply("relu", (x,), name=name)


def sigmoid(x: Operand, name: str = "") -> Function:
    """1 / (1 + exp(-x))."""
    return apply("sigmoid", (x,), name=name)


def tanh(x: Operand, name: str = "") -> Function:
    """The hyperbolic tangent."""
    return apply("tanh", (x,), name=name)


def exp(x: Operand, name: str = "") -> Function:
    """The exponential function."""
    return apply("exp", (x,), name=name)


def log(x: Operand, name: str = "") -> Function:
    """The natural logarithm."""
    return apply("log", (x,), name=name)


def sqrt(x: Operand, name: str = "") -> Function:
    """The square root."""
    return apply("sqrt", (x,), name=name)


def square(x: Operand, name: str = "") -> Function:
    """`x` times `x`."""
    return apply("square", (x,), name=name)


def abs(x: Operand, name: str = "") -> Function:
    """The absolute value."""
    return apply("abs", (x,), name=name)


def negate(x: Operand, name: str = "") -> Function:
    """-`x`."""
    return apply("negate", (x,), name=name)


def stop_gradient(x: Operand, name: str = "") -> Function:
    """`x`, as a constant for gradients."""
    return apply("stop_gradient", (x,), name=name)


def alias(x: Operand, name: str = "") -> Function:
    """`x`, under another name."""
    return apply("alias", (x,), name=name)


def plus(left: Operand, right: Operand, *more: Operand, name: str = "") -> Function:
    """The sum of two or more operands."""
    return _folded("plus", (left, right, *more), name)


def element_times(left: Operand, right: Operand, *more: Operand, name: str = "") -> Function:
    """The product of two or more operands, element by element."""
    return _folded("element_times", (left, right, *more), name)


def element_max(left: Operand, right: Operand, *more: Operand, name: str = "") -> Function:
    """The largest of two or more operands."""
    return _folded("element_max", (left, right, *more), name)


def element_min(left: Operand, right: Operand, *more: Operand, name: str = "") -> Function:
    """The smallest of two or more operands."""
    return _folded("element_min", (left, right, *more), name)


def reduce_sum(x: Operand, axis: Axis = None, keepdims: bool = True, name: str = "") -> Function:
    """The sum over axes.

    Args:
        x: the operand.
        axis: an axis, or several; all of them if None, which gives a scalar.
        keepdims: whether reduced axes stay, with size 1.
        name: of the function.
    """
    return apply("reduce_sum", (x,), {"axis": axis, "keepdims": keepdims}, name)


def reduce_mean(x: Operand, axis: Axis = None, keepdims: bool = True, name: str = "") -> Function:
    """The mean over axes.

    Args:
        x: the operand.
        axis: an axis, or several; all of them if None, which gives a scalar.
        keepdims: whether reduced axes stay, with size 1.
        name: of the function.
    """
    return apply("reduce_mean", (x,), {"axis": axis, "keepdims": keepdims}, name)


def reduce_max(x: Operand, axis: Axis = None, keepdims: bool = True, name: str = "") -> Function:
    """The maximum over axes.

    Args:
        x: the operand.
        axis: an axis, or several; all of them if None, which gives a scalar.
        keepdims: whether reduced axes stay, with size 1.
        name: of the function.
    """
    return apply("reduce_max", (x,), {"axis": axis, "keepdims": keepdims}, name)


def reduce_min(x: Operand, axis: Axis = None, keepdims: bool = True, name: str = "") -> Function:
    """The minimum over axes.

    Args:
        x: the operand.
        axis: an axis, or several; all of them if None, which gives a scalar.
        keepdims: whether reduced axes stay, with size 1.
        name: of the function.
    """
    return apply("reduce_min", (x,), {"axis": axis, "keepdims": keepdims}, name)


def _folded(op: str, operands: Sequence[Operand], name: str) -> Function:
    *first, last = operands
    left = first[0] if len(first) == 1 else _folded(op, first, "")
    return apply(op, (left, last), name=name)


def clip(x: Operand, min_value: Operand, max_value: Operand, name: str = "") -> Function:
    """`x`, but at least `min_value` and at most `max_value`."""
    return apply("clip", (x, min_value, max_value), name=name)


def element_select(
    flag: Operand, value_if_true: Operand, value_if_false: Operand, name: str = ""
) -> Function:
    """`value_if_true` where the flag is not 0, else `value_if_false`."""
    return apply("element_select", (flag, value_if_true, value_if_false), name=name)


def softmax(x: Operand, axis: int | None = None, name: str = "") -> Function:
    """exp(x), divided by its sum along an axis, the last if left out."""
    return apply("softmax", (x,), {"axis": -1 if axis is None else axis}, name)


def log_softmax(x: Operand, axis: int | None = None, name: str = "") -> Function:
    """The logarithm of `softmax`."""
    return apply("log_softmax", (x,), {"axis": -1 if axis is None else axis}, name)


def times(
    left: Operand,
    right: Operand,
    output_rank: int = 1,
    infer_input_rank_to_map: int = -1,
    name: str = "",
) -> Function:
    """The matrix product: the last axes of `left` are summed over with the first of `right`.

    A sparse input as `left` makes the gradient by a parameter `right` row-sparse.

    Args:
        left: the left operand.
        right: the right operand.
        output_rank: number of axes of `right` that stay; the others are summed over.
        infer_input_rank_to_map: accepted for CNTK's sake; shapes are known here.
        name: of the function.

    Example:
        >>> import learnerdsl.cntk as C
        >>> C.times([1, 2], [[1, 0], [0, 1]]).eval()
        array([1., 2.], dtype=float32)
    """
    return apply("times", (left, right), {"output_rank": output_rank}, name)


def reshape(
    x: Operand,
    shape: int | Sequence[int],
    begin_axis: int | None = None,
    end_axis: int | None = None,
    name: str = "",
) -> Function:
    """The same numbers in another shape.

    Args:
        x: the operand.
        shape: the new shape; one size may be -1 and is then found.
        begin_axis: first of the axes that the new shape replaces.
        end_axis: the axis after the last of them.
        name: of the function.
    """
    attributes = {"shape": tuple(shapes.new_sizes(shape)), "begin": begin_axis, "end": end_axis}
    return apply("reshape", (x,), attributes, name)


def transpose(x: Operand, perm: Sequence[int] | None = None, name: str = "") -> Function:
    """The axes in another order.

    Args:
        x: the operand.
        perm: for every axis of the result the axis of `x`; all in reverse if left out.
        name: of the function.
    """
    x = alias(x) if not isinstance(x, Node) else x
    order = tuple(range(x.rank))[::-1] if perm is None else perm
    return apply("transpose", (x,), {"perm": order}, name)


def slice(
    x: Operand,
    axis: int | Sequence[int],
    begin_index: int | Sequence[int],
    end_index: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    name: str = "",
) -> Function:
    """Part of a value along one axis, or several.

    Args:
        x: the operand.
        axis: the axis, or a list of them; the other arguments are then lists too.
        begin_index: first index; below 0 it counts from the end.
        end_index: the index after the last; 0 is the end, below 0 it counts from there.
        strides: 1 for every element, 2 for every other, -1 for all backwards.
        name: of the function.

    Example:
        >>> import learnerdsl.cntk as C
        >>> C.slice(C.constant([1, 2, 3, 4]), 0, -2, 0).eval()
        array([3., 4.], dtype=float32)
    """
    axes = _several(axis)
    steps = (1,) * len(axes) if strides is None else _several(strides)
    bounds = {"begin": _several(begin_index), "end": _several(end_index), "strides": steps}
    return apply("slice", (x,), {"axis": axes, **bounds}, name)


def _several(value: Any) -> tuple[Any, ...]:
    """A tuple of one or several; `shapes.slices` looks at what is in it."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def splice(*inputs: Operand, axis: int = -1, name: str = "") -> Function:
    """Values one after the other along an axis, the last if left out."""
    if not inputs:
        msg = "splice needs at least one value; give splice(a, b, axis=0)."
        raise RuleError(msg)
    return apply("splice", inputs, {"axis": axis}, name)


def dropout(
    x: Operand, dropout_rate: float = 0.0, seed: int | None = None, name: str = ""
) -> Function:
    """While training a random share of `x` becomes 0 and the rest grows; otherwise `x`.

    Args:
        x: the operand.
        dropout_rate: share of the elements that become 0, from 0 to below 1.
        seed: an int; the next unused one if left out.
        name: of the function.
    """
    rate = shapes.dropout_rate("dropout_rate", dropout_rate)
    return apply("dropout", (x,), {"rate": rate, "seed": next_seed(seed)}, name)


def assign(ref: Node, input: Operand, name: str = "") -> Function:
    """Store a value in a parameter or constant, once everything else is evaluated.

    Args:
        ref: the parameter or constant. Read elsewhere, it still has its old value.
        input: the new value.
        name: of the function.

    Returns:
        A function whose value is the new value.

    Example:
        >>> import learnerdsl.cntk as C
        >>> count = C.constant(1)
        >>> float((C.assign(count, count + 1) * 10).eval())
        20.0
        >>> float(count.value)
        2.0
    """
    if not isinstance(ref, Node):
        msg = f"assign cannot change {shown(ref)}; give a parameter or a constant as the target."
        raise DtypeError(msg)
    return apply("assign", (ref, input), name=name)


def combine(*operands: Node | Sequence[Node], name: str = "") -> Function:
    """One function with several outputs, evaluated together.

    Args:
        *operands: nodes, or one list of them.
        name: of the function.

    Returns:
        A function whose value is a dict by node; with one node, that node's value.
    """
    nodes: list[Node] = []
    for operand in operands:
        nodes.extend(nodes_of("combine: an operand", operand))
    if not nodes:
        msg = "combine needs at least one function; give a list such as [loss, metric]."
        raise RuleError(msg)
    return apply("combine", nodes, name=name)
