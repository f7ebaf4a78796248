"""Find how a matrix of a rule lies: as the parameter, or transposed."""

from typing import Any, NamedTuple

from learnerdsl.errors import RuleError
from learnerdsl.expr import brief, sides_of
from learnerdsl.tracing.context import Trace, tracing_now


class Orientation(NamedTuple):
    """How a matrix lies.

    Attributes:
        is_transposed: whether it has the shape of the transposed parameter.
        shape: that of the parameter.
        suffix: what makes the names of values new, where a function that names some is called for
            the second time; "" for the first.
    """

    is_transposed: bool
    shape: tuple[int, ...]
    suffix: str = ""


def orientation(x: Any, names: str) -> Orientation:
    """Return how a matrix of the rule that is being traced lies.

    Args:
        x: an expression with the shape of the parameter or of its transpose.
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
    if sides not in (("rows", "cols"), ("cols", "rows")):
        what = f"a matrix of {' by '.join(map(str, sides))}" if sides else "no matrix"
        msg = (
            f"orthogonalize({brief(value)}) needs a matrix with the shape of the parameter, or the "
            f"transpose of one, but this is {what}."
        )
        raise RuleError(msg)
    trace_now.asked = True
    return Orientation(sides == ("cols", "rows"), trace_now.shape, _suffix(trace_now, names))


def _suffix(trace_now: Trace, name: str) -> str:
    """Return "", or a number that makes a name new."""
    suffix, count = "", 1
    while name + suffix in trace_now.names:
        count += 1
        suffix = f"_{count}"
    return suffix
