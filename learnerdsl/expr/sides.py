"""The sides of matrices: what gives the number of rows and of columns of a matrix.

A side is "rows" or "cols", the lengths of the parameter's last two axes, or a positive whole
number. So a factor of rank 4 of a weight has the sides ("cols", 4). Sides of length 1 broadcast.
"""

import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from learnerdsl.errors import RuleError

Side = str | int


class Sides(tuple[Side, ...]):
    """What gives the rows and the columns of a matrix; any tuple without a name names axes."""

    __slots__ = ()

    def __repr__(self) -> str:
        has_name = any(isinstance(side, str) for side in self)
        return super().__repr__() if has_name else f"sides{super().__repr__()}"


PARAMETER_SIDES = Sides(("rows", "cols"))


def sides(first: Side, second: Side) -> Sides:
    """Return the shape of a state, or of a random matrix, that is a matrix with these sides.

    It is needed where both are numbers, as `shape=(1, 2)` names axes: `shape=sides(rank, rank)`.

    Args:
        first: what gives the number of rows: "rows", "cols" or a whole number above 0.
        second: what gives the number of columns.

    Raises:
        RuleError: a side is something else.

    >>> sides("cols", 4)
    ('cols', 4)
    """
    return Sides((_side(first), _side(second)))


def _side(given: Any) -> Side:
    """Return a side, or raise a RuleError."""
    if isinstance(given, str) and given in PARAMETER_SIDES:
        return given
    try:
        number = 0 if isinstance(given, (bool, str)) else operator.index(given)
    except TypeError:
        number = 0
    if number < 1:
        msg = (
            f"A side of a matrix cannot be {given!r}; write 'rows', 'cols' or a whole number above "
            "0 that is known when the rule is traced, such as an option or min(shape(p)[-2:])."
        )
        raise RuleError(msg)
    return number


def as_sides(shape: Any) -> Sides | None:
    """Return the sides that `shape=` declares; None if it declares something else.

    Raises:
        RuleError: one of two sides is a name and the other one is no side.
    """
    if isinstance(shape, Sides):
        return shape
    is_pair = isinstance(shape, tuple) and len(shape) == 2
    return sides(*shape) if is_pair and any(isinstance(s, str) for s in shape) else None


def side_named(name: str) -> Side:
    """Return the side that a text names."""
    return int(name) if name.isdecimal() else name


def length(side: Side, shape: Sequence[int]) -> int:
    """Return the length of a side, for a parameter of this shape."""
    return shape[{"rows": -2, "cols": -1}[side]] if isinstance(side, str) else side


def array_shape(own: Sequence[Side], shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of matrices with these sides: one for each matrix of the parameter."""
    return (*shape[:-2], *(length(side, shape) for side in own))


def broadcast(one: Sequence[Side], other: Sequence[Side]) -> Sides | None:
    """Return the sides of two matrices combined element by element; None if they do not fit."""
    pairs = list(zip(one, other, strict=True))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        return None
    return Sides(b if a == 1 else a for a, b in pairs)


class NoMatrix:
    """A node whose value is no matrix, whatever its arguments are."""

    __slots__ = ()


known_sides: ContextVar[Mapping[Any, Sides] | None] = ContextVar(
    "learnerdsl_known_sides", default=None
)
"""The sides of the values of the traced rule that have names and are matrices."""


known_shape: ContextVar[tuple[int, ...] | None] = ContextVar("learnerdsl_known_shape", default=None)
"""The shape of the parameter that the rule is traced for."""


@contextmanager
def knowing(found: Mapping[Any, Sides], shape: tuple[int, ...]) -> Iterator[None]:
    """Let `sides_of` know the sides of values with names, and functions the parameter's shape."""
    token, own = known_sides.set(found), known_shape.set(shape)
    try:
        yield
    finally:
        known_sides.reset(token)
        known_shape.reset(own)
