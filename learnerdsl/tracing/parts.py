"""Say what in a rule depends on the place of an element, and not on its own values alone."""

from functools import lru_cache

import sympy

from learnerdsl.expr import (
    AxisSize,
    Draw,
    MatrixFunction,
    MatrixLeaf,
    Reduction,
    model_size,
    nodes,
    tensor_number,
    tensor_size,
)
from learnerdsl.tracing.definition import Rule


def depends_on_place(expression: sympy.Basic) -> bool:
    """Return whether the value for an element depends on other elements, or on where it is."""
    kinds = (AxisSize, Draw, MatrixFunction, MatrixLeaf, Reduction)
    # A part that counts as a tensor of its own has another number, with other random numbers.
    sizes = (tensor_size, tensor_number, model_size)
    return any(isinstance(node, kinds) or node in sizes for node in nodes([expression]))


@lru_cache(256)
def treats_elements_alike(rule: Rule) -> bool:
    """Return whether an update of an element depends neither on others nor on where it is.

    Then any part of a tensor, in any shape, is updated as it would be within the whole.
    """
    shapes = [spec.symbol.shape for spec in rule.states]
    if rule.ndim is not None or any(shape not in ("element", "tensor") for shape in shapes):
        return False
    given = [line.expression for line in rule.lines] + [spec.init for spec in rule.states]
    if rule.evaluation is not None:
        given.append(rule.evaluation)
    return not any(map(depends_on_place, map(sympy.sympify, given)))
