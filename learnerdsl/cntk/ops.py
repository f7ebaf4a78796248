"""The operations on nodes, with CNTK's names; `graph/computations.py` has their computations.

Operands are nodes, numbers or arrays; operands of elementwise operations are aligned at their last
axes. Comparisons return 1 and 0. Axes are those of one sample: the batch axis does not count.
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
    """Return `left` - `right`."""
    return apply("minus", (left, right), name=name)


def element_divide(left: Operand, right: Operand, name: str = "") -> Function:
    """Return `left` / `right`."""
    return apply("element_divide", (left, right), name=name)


def pow(base: Operand, exponent: Operand, name: str = "") -> Function:
    """Return `base` to the power of `exponent`."""
    return apply("pow", (base, exponent), name=name)


def less(left: Operand, right: Operand, name: str = "") -> Function:
    """Return 1 where `left` < `right`, else 0."""
    return apply("less", (left, right), name=name)


def less_equal(left: Operand, right: Operand, name: str = "") -> Function:
    """Return 1 where `left` <= `right`, else 0."""
    return apply("less_equal", (left, right), name=name)


def greater(left: Operand, right: Operand, name: str = "") -> Function:
    """Return 1 where `left` > `right`, else 0."""
    return apply("greater", (left, right), name=name)


def greater_equal(left: Operand, right: Operand, name: str = "") -> Function:
    """Return 1 where `left` >= `right`, else 0."""
    return apply("greater_equal", (left, right), name=name)


def equal(left: Operand, right: Operand, name: str = "") -> Function:
    """Return 1 where `left` equals `right`, else 0."""
    return apply("equal", (left, right), name=name)


def not_equal(left: Operand, right: Operand, name: str = "") -> Function:
    """Return 1 where `left` differs from `right`, else 0."""
    return apply("not_equal", (left, right), name=name)


def relu(x: Operand, name: str = "") -> Function:
    """Return `x` where it is above 0, else 0."""
    return apply("relu", (x,), name=name)


def sigmoid(x: Operand, name: str = "") -> Function:
    """Return 1 / (1 + exp(-`x`))."""
    return apply("sigmoid", (x,), name=name)


def tanh(x: Operand, name: str = "") -> Function:
    """Return the hyperbolic tangent of `x`."""
    return apply("tanh", (x,), name=name)


def exp(x: Operand, name: str = "") -> Function:
    """Return the exponential function of `x`."""
    return apply("exp", (x,), name=name)


def log(x: Operand, name: str = "") -> Function:
    """Return the natural logarithm of `x`."""
    return apply("log", (x,), name=name)


def sqrt(x: Operand, name: str = "") -> Function:
    """Return the square root of `x`."""
    return apply("sqrt", (x,), name=name)


def square(x: Operand, name: str = "") -> Function:
    """Return the square of `x`."""
    return apply("square", (x,), name=name)


def abs(x: Operand, name: str = "") -> Function:
    """Return the absolute value of `x`."""
    return apply("abs", (x,), name=name)


def negate(x: Operand, name: str = "") -> Function:
    """Return -`x`."""
    return apply("negate", (x,), name=name)


def stop_gradient(x: Operand, name: str = "") -> Function:
    """Return `x`, which gradients treat as a constant."""
    return apply("stop_gradient", (x,), name=name)


def alias(x: Operand, name: str = "") -> Function:
    """Return `x` with another name."""
    return apply("alias", (x,), name=name)


def plus(left: Operand, right: Operand, *more: Operand, name: str = "") -> Function:
    """Return the sum of two or more operands."""
    return _folded("plus", (left, right, *more), name)


def element_times(left: Operand, right: Operand, *more: Operand, name: str = "") -> Function:
    """Return the elementwise product of two or more operands."""
    return _folded("element_times", (left, right, *more), name)


def element_max(left: Operand, right: Operand, *more: Operand, name: str = "") -> Function:
    """Return the elementwise maximum of two or more operands."""
    return _folded("element_max", (left, right, *more), name)


def element_min(left: Operand, right: Operand, *more: Operand, name: str = "") -> Function:
    """Return the elementwise minimum of two or more operands."""
    return _folded("element_min", (left, right, *more), name)


def reduce_sum(x: Operand, axis: Axis = None, keepdims: bool = True, name: str = "") -> Function:
    """Return the sum over axes.

    Args:
        x: the operand.
        axis: an axis or several; None reduces all of them to a scalar.
        keepdims: whether reduced axes stay, with size 1.
        name: name of the function.
    """
    return apply("reduce_sum", (x,), {"axis": axis, "keepdims": keepdims}, name)


def reduce_mean(x: Operand, axis: Axis = None, keepdims: bool = True, name: str = "") -> Function:
    """Return the mean over axes.

    Args:
        x: the operand.
        axis: an axis or several; None reduces all of them to a scalar.
        keepdims: whether reduced axes stay, with size 1.
        name: name of the function.
    """
    return apply("reduce_mean", (x,), {"axis": axis, "keepdims": keepdims}, name)


def reduce_max(x: Operand, axis: Axis = None, keepdims: bool = True, name: str = "") -> Function:
    """Return the maximum over axes.

    Args:
        x: the operand.
        axis: an axis or several; None reduces all of them to a scalar.
        keepdims: whether reduced axes stay, with size 1.
        name: name of the function.
    """
    return apply("reduce_max", (x,), {"axis": axis, "keepdims": keepdims}, name)


def reduce_min(x: Operand, axis: Axis = None, keepdims: bool = True, name: str = "") -> Function:
    """Return the minimum over axes.

    Args:
        x: the operand.
        axis: an axis or several; None reduces all of them to a scalar.
        keepdims: whether reduced axes stay, with size 1.
        name: name of the function.
    """
    return apply("reduce_min", (x,), {"axis": axis, "keepdims": keepdims}, name)


def _folded(op: str, operands: Sequence[Operand], name: str) -> Function:
    *first, last = operands
    left = first[0] if len(first) == 1 else _folded(op, first, "")
    return apply(op, (left, last), name=name)


def clip(x: Operand, min_value: Operand, max_value: Operand, name: str = "") -> Function:
    """Return `x`, limited to `min_value` and `max_value`."""
    return apply("clip", (x, min_value, max_value), name=name)


def element_select(
    flag: Operand, value_if_true: Operand, value_if_false: Operand, name: str = ""
) -> Function:
    """Return `value_if_true` where `flag` is not 0, else `value_if_false`."""
    return apply("element_select", (flag, value_if_true, value_if_false), name=name)


def softmax(x: Operand, axis: int | None = None, name: str = "") -> Function:
    """Return exp(`x`), divided by its sum along an axis; the last axis if left out."""
    return apply("softmax", (x,), {"axis": -1 if axis is None else axis}, name)


def log_softmax(x: Operand, axis: int | None = None, name: str = "") -> Function:
    """Return the logarithm of `softmax`."""
    return apply("log_softmax", (x,), {"axis": -1 if axis is None else axis}, name)


def times(
    left: Operand,
    right: Operand,
    output_rank: int = 1,
    infer_input_rank_to_map: int = -1,
    name: str = "",
) -> Function:
    """Return the matrix product, a sum over the last axes of `left` and the first of `right`.

    If `left` is a sparse input, the gradient with respect to a parameter `right` is row-sparse.

    Args:
        left: the left operand.
        right: the right operand.
        output_rank: number of axes of `right` that stay; the others are summed over.
        infer_input_rank_to_map: accepted for compatibility with CNTK, ignored.
        name: name of the function.

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
    """Return the elements of `x` in another shape.

    Args:
        x: the operand.
        shape: the new shape; one size may be -1, which is inferred.
        begin_axis: first axis that the new shape replaces.
        end_axis: the axis after the last one that it replaces.
        name: name of the function.
    """
    attributes = {"shape": tuple(shapes.new_sizes(shape)), "begin": begin_axis, "end": end_axis}
    return apply("reshape", (x,), attributes, name)


def transpose(x: Operand, perm: Sequence[int] | None = None, name: str = "") -> Function:
    """Return `x` with its axes in another order.

    Args:
        x: the operand.
        perm: for each axis of the result, the axis of `x`; reversed axes if left out.
        name: name of the function.
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
    """Return a part of `x` along one axis or several.

    Args:
        x: the operand.
        axis: an axis or a list of axes; with a list, the other arguments are lists too.
        begin_index: first index; a negative one counts from the end.
        end_index: the index after the last; 0 is the end, a negative one counts from the end.
        strides: 1 for every element, 2 for every second one, -1 for all in reverse.
        name: name of the function.

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
    """Return one value or several as a tuple, whose elements `shapes.slices` checks."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def splice(*inputs: Operand, axis: int = -1, name: str = "") -> Function:
    """Concatenate values along an axis; the last axis if left out."""
    if not inputs:
        msg = "splice needs at least one value; write splice(a, b, axis=0)."
        raise RuleError(msg)
    return apply("splice", inputs, {"axis": axis}, name)


def dropout(
    x: Operand, dropout_rate: float = 0.0, seed: int | None = None, name: str = ""
) -> Function:
    """Set a random share of `x` to 0 in training, and scale up the rest; else return `x`.

    Args:
        x: the operand.
        dropout_rate: share of the elements to set to 0, from 0 to below 1.
        seed: an int; the next unused seed if left out.
        name: name of the function.
    """
    rate = shapes.dropout_rate("dropout_rate", dropout_rate)
    return apply("dropout", (x,), {"rate": rate, "seed": next_seed(seed)}, name)


def assign(ref: Node, input: Operand, name: str = "") -> Function:
    """Store a value in a parameter or constant, after everything else is evaluated.

    Args:
        ref: the parameter or constant. Other operations still read its old value.
        input: the new value.
        name: name of the function.

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
        msg = f"assign cannot change {shown(ref)}; give a parameter or a constant as target."
        raise DtypeError(msg)
    return apply("assign", (ref, input), name=name)


def combine(*operands: Node | Sequence[Node], name: str = "") -> Function:
    """Return a function with several outputs, which are evaluated together.

    Args:
        *operands: nodes, or a list of nodes.
        name: name of the function.

    Returns:
        A function whose value is a dict by node; with one node, the value of that node.
    """
    nodes: list[Node] = []
    for operand in operands:
        nodes.extend(nodes_of("combine: an operand", operand))
    if not nodes:
        msg = "combine needs at least one function; give a list such as [loss, metric]."
        raise RuleError(msg)
    return apply("combine", nodes, name=name)
