"""Losses and metrics: one number per sample, which the trainer sums over the minibatch."""

import numpy as np

from learnerdsl.cntk import ops
from learnerdsl.cntk.graph.functions import Function, apply, as_node
from learnerdsl.cntk.graph.nodes import Node, Operand
from learnerdsl.errors import ArrayError


def cross_entropy_with_softmax(
    output_vector: Operand, target_vector: Operand, axis: int = -1, name: str = ""
) -> Function:
    """Return the cross entropy between the target and the softmax of the output.

    Args:
        output_vector: one number for each class.
        target_vector: the probability of each class, usually one-hot.
        axis: the axis of the classes.
        name: name of the function.

    Returns:
        A scalar per sample; if samples have other axes than that of the classes, these stay.

    Example:
        >>> import learnerdsl.cntk as C
        >>> C.cross_entropy_with_softmax([[1, 1, 1, 50]], [[0, 0, 0, 1]]).eval()
        array([[0.]], dtype=float32)
    """
    logarithm = ops.log_softmax(output_vector, axis)
    target_vector = as_node(target_vector, logarithm.dtype, "cross_entropy_with_softmax")
    _check_shapes("cross_entropy_with_softmax", logarithm, target_vector)
    costs = ops.negate(logarithm) * target_vector
    return ops.reduce_sum(costs, axis, keepdims=logarithm.rank > 1, name=name)


def binary_cross_entropy(output: Operand, target: Operand, name: str = "") -> Function:
    """Return the cross entropy between targets 0 or 1 and probabilities, summed over a sample.

    Args:
        output: probabilities, for example from `sigmoid`.
        target: 0 or 1 for each probability.
        name: name of the function.

    Returns:
        A scalar per sample.
    """
    output = ops.alias(output)
    target = as_node(target, output.dtype, "binary_cross_entropy")
    _check_shapes("binary_cross_entropy", output, target)
    # The logarithm of the smallest number stands for log(0), so that 0 * log(0) is 0.
    tiny = float(np.finfo(output.dtype).tiny)
    hit = target * ops.log(ops.element_max(output, tiny))
    miss = (1 - target) * ops.log(ops.element_max(1 - output, tiny))
    return ops.negate(ops.reduce_sum(hit + miss), name=name)


def squared_error(output: Operand, target: Operand, name: str = "") -> Function:
    """Return the squared difference, summed over a sample.

    Args:
        output: the output of the model.
        target: the desired output, of the same shape.
        name: name of the function.

    Returns:
        A scalar per sample.

    Example:
        >>> import learnerdsl.cntk as C
        >>> float(C.squared_error([2, 1], [4, 6]).eval())
        29.0
    """
    difference = ops.minus(output, target)
    for operand in difference.inputs:
        _check_shapes("squared_error", difference, operand)
    return ops.reduce_sum(ops.square(difference), name=name)


def classification_error(
    output_vector: Operand, target_vector: Operand, axis: int = -1, topN: int = 1, name: str = ""
) -> Function:
    """Return 1 where the class with the largest target is not among the best outputs, else 0.

    Args:
        output_vector: one number for each class.
        target_vector: the probability of each class, usually one-hot.
        axis: the axis of the classes.
        topN: number of outputs that count as best.
        name: name of the function.

    Returns:
        A scalar per sample; if samples have other axes than that of the classes, these stay.

    Example:
        >>> import learnerdsl.cntk as C
        >>> float(C.classification_error([1, 3, 2], [0, 0, 1]).eval())
        1.0
    """
    attributes = {"axis": axis, "top": topN}
    return apply("classification_error", (output_vector, target_vector), attributes, name)


def _check_shapes(op: str, node: Node, other: Node) -> None:
    if other.shape != node.shape:
        msg = f"{op} needs operands of the same shape, got {node.shape} and {other.shape}."
        raise ArrayError(msg)
