"""Find how a matrix of a rule lies: as the parameter, or transposed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr import (
    ExtraArray,
    GradientSymbol,
    Identity,
    LetValue,
    MatMul,
    MatrixFunction,
    MatrixState,
    Named,
    ParameterSymbol,
    Position,
    Reduction,
    StateSymbol,
    Transpose,
    brief,
)
from learnerdsl.tracing.context import Trace, tracing_now

Sides = tuple[str | int, str | int]


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
    known: dict[Any, Sides | None] = {}
    for line in trace_now.lines:
        own = line.expression if isinstance(line.value, LetValue) else line.target
        known[line.value] = _sides(own, known)
    sides = _sides(value, known)
    if sides not in (("rows", "cols"), ("cols", "rows")):
        what = f"a matrix of {' by '.join(map(str, sides))}" if sides else "no matrix"
        msg = (
            f"orthogonalize({brief(value)}) needs a matrix with the shape of the parameter, or the "
            f"transpose of one, but this is {what}."
        )
        raise RuleError(msg)
    trace_now.asked = True
    return Orientation(sides == ("cols", "rows"), trace_now.shape, _suffix(trace_now, names))


def _sides(value: Any, known: Mapping[Any, Sides | None]) -> Sides | None:
    """Return the sides of a matrix: "rows", "cols" or numbers; None for what is no matrix."""
    if value in known:
        return known[value]
    if isinstance(value, MatrixState):
        return value.shape[0], value.shape[1]
    if isinstance(value, sympy.Symbol):
        return ("rows", "cols") if _is_of_elements(value) else None
    if isinstance(value, Identity):
        return value.side, value.side
    if isinstance(value, Reduction):
        return None
    found = [sides for sides in (_sides(a, known) for a in _operands(value)) if sides]
    if not found:
        return None
    if isinstance(value, Transpose):
        return found[0][1], found[0][0]
    return (found[0][0], found[-1][1]) if isinstance(value, MatMul) else found[0]


def _operands(value: Any) -> tuple[Any, ...]:
    """Return the arguments that say what shape a value has."""
    is_whole = isinstance(value, MatrixFunction) and not isinstance(value, MatMul)
    return value.args[:1] if is_whole else value.args


def _is_of_elements(symbol: Any) -> bool:
    """Return whether a symbol has a value for each element of the parameter."""
    if isinstance(symbol, StateSymbol):
        return symbol.shape == "element"
    return isinstance(symbol, (ParameterSymbol, GradientSymbol, ExtraArray, Named, Position))


def _suffix(trace_now: Trace, name: str) -> str:
    """Return "", or a number that makes a name new."""
    suffix, count = "", 1
    while name + suffix in trace_now.names:
        count += 1
        suffix = f"_{count}"
    return suffix
