"""Find the shape of a matrix of a rule, for functions that work on its shorter side."""

from typing import Any, NamedTuple

from learnerdsl.errors import RuleError
from learnerdsl.expr import Sides, array_shape, brief, sides_of
from learnerdsl.tracing.context import Trace, tracing_now


class Orientation(NamedTuple):
    """How a matrix lies.

    Attributes:
        sides: what gives its rows and its columns.
        shape: its shape, with the axes of a stack.
        suffix: what makes the names of values new, where a function that names some is called for
            the second time; "" for the first.
    """

    sides: Sides
    shape: tuple[int, ...]
    suffix: str = ""


def orientation(x: Any, names: str) -> Orientation:
    """Return how a matrix of the rule that is being traced lies.

    Args:
        x: an expression that is a matrix.
        names: the first name that the caller gives to a value.

    Raises:
        RuleError: `x` is something else, or the parameter has less than two axes.
    """
    trace_now = tracing_now("orthogonalize(...)")
    if trace_now.ndim < 2:
        msg = (
            f"A matrix needs a tensor with at least 2 axes, but this one has {trace_now.ndim}; "
            "write another rule for it under `if learnerdsl.ndim(p) < 2:`."
        )
        raise RuleError(msg)
    value = trace_now.expression(x)
    sides = sides_of(value)
    if sides is None:
        msg = (
            f"orthogonalize({brief(value)}) needs a matrix, but this is none; write a value with "
            "the shape of the parameter, or another matrix."
        )
        raise RuleError(msg)
    shape = array_shape(sides, trace_now.shape)
    return Orientation(sides, shape, _suffix(trace_now, names))


def _suffix(trace_now: Trace, name: str) -> str:
    """Return "", or a number that makes a name new."""
    suffix, count = "", 1
    while name + suffix in trace_now.names:
        count += 1
        suffix = f"_{count}"
    return suffix
