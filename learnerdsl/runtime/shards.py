"""Describe tensors of which each process holds a part, and join what the processes computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from learnerdsl.monoids import Monoid

Box = tuple[slice, ...]
"""The part of a tensor that a process holds: a range of indices for each axis."""


class Team(Protocol):
    """The processes that hold the parts of a tensor, each a different one."""

    @property
    def size(self) -> int:
        """The number of processes."""
        ...

    @property
    def number(self) -> int:
        """The number of this process, from 0."""
        ...

    def gather(self, values: np.ndarray) -> np.ndarray:
        """Return the values of all processes (processes, n), in their order.

        Every process calls it with an array (n,) of the same length and dtype.
        """
        ...

    def exchange(self, values: np.ndarray, sent: Sequence[int], got: Sequence[int]) -> np.ndarray:
        """Send other values to each process, and return what the processes sent here.

        Args:
            values: the values for all processes, one after the other.
            sent: the number of values for each process.
            got: the number of values from each process.
        """
        ...

    def gather_on_device(self, target: Any, values: Any) -> None:
        """Write the values of all processes, in their order, into another array.

        Both are arrays of PyTorch on a device. The work is queued on its current stream.

        Args:
            target: gets the values (processes * n,).
            values: those of this process (n,).
        """
        ...


@dataclass(frozen=True)
class Shard:
    """The part of a tensor that this process holds.

    Attributes:
        team: the processes that hold the tensor.
        shape: the shape of the whole tensor.
        boxes: the part of each process of the team.
    """

    team: Team
    shape: tuple[int, ...]
    boxes: tuple[Box, ...]

    @property
    def own(self) -> Box:
        """The part of this process."""
        return self.boxes[self.team.number]

    @property
    def holder(self) -> int:
        """The number of the first process that holds elements; 0 if the tensor has none."""
        holds = [0 not in shape_of_box(box) for box in self.boxes]
        return holds.index(True) if any(holds) else 0


@dataclass(frozen=True)
class Piece:
    """A parameter of a learner that is a part of a tensor of several processes.

    Attributes:
        array: the elements that this process holds.
        shard: what part of the tensor they are.
    """

    array: Any
    shard: Shard

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of these elements; what has one is a parameter, not a container of some."""
        return tuple(self.array.shape)


def array_of(parameter: Any) -> Any:
    """Return the array that a learner updates: that of a piece, or the parameter itself."""
    return parameter.array if isinstance(parameter, Piece) else parameter


def shard_of(parameter: Any) -> Shard | None:
    """Return what part of a tensor a parameter is; None if it is whole."""
    return parameter.shard if isinstance(parameter, Piece) else None


def _length(part: slice) -> int:
    return part.stop - part.start


def shape_of_box(box: Box) -> tuple[int, ...]:
    """Return the shape of a part."""
    return tuple(map(_length, box))


def joined(
    monoid: Monoid, shape: Sequence[int], boxes: Sequence[Box], parts: Sequence[np.ndarray]
) -> np.ndarray:
    """Return the array of this shape that the parts of all processes make.

    Where parts overlap, their values are joined in the order of the processes, so all get
    bitwise the same result.

    >>> from learnerdsl.monoids import SUM
    >>> joined(SUM, (3,), [(slice(0, 2),), (slice(1, 3),)], [np.ones(2), np.ones(2)])
    array([1., 2., 1.])
    """
    result = np.full(shape, monoid.identity)
    for box, part in zip(boxes, parts, strict=True):
        own = result[box]
        result[box] = monoid.ufunc(own, part.reshape(own.shape))
    return result


Shapes = Sequence[Sequence[tuple[int, ...]]]
"""For each process the shapes of some arrays."""


def gather_parts(team: Team, own: Sequence[np.ndarray], shapes: Shapes) -> list[list[np.ndarray]]:
    """Return for each process its arrays, all of one dtype, gathered at once."""
    row = np.zeros(max(sum(map(_count, of_one)) for of_one in shapes), own[0].dtype)
    values = _joined(own, row.dtype)
    row[: len(values)] = values
    rows = team.gather(row)
    return [_parted(row, of_one) for row, of_one in zip(rows, shapes, strict=True)]


def exchange_parts(
    team: Team, own: Sequence[Sequence[np.ndarray]], shapes: Shapes, dtype: Any
) -> list[list[np.ndarray]]:
    """Send arrays to each process, and return those that each of them sent here.

    Args:
        team: the processes.
        own: for each process the arrays to send.
        shapes: for each process the shapes of what it sends here.
        dtype: the dtype of all arrays.
    """
    values = _joined([array for for_one in own for array in for_one], dtype)
    sent = [sum(array.size for array in for_one) for for_one in own]
    got = [sum(map(_count, of_one)) for of_one in shapes]
    rows = np.split(team.exchange(values, sent, got), np.cumsum(got)[:-1])
    return [_parted(row, of_one) for row, of_one in zip(rows, shapes, strict=True)]


def _joined(arrays: Sequence[np.ndarray], dtype: Any) -> np.ndarray:
    """Return the elements of all arrays, one after the other."""
    return np.concatenate([np.empty(0, dtype), *(array.reshape(-1) for array in arrays)])


def _parted(row: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Return the arrays in a row as views of it."""
    ends = np.cumsum([0, *map(_count, shapes)])
    return [row[a:b].reshape(s) for a, b, s in zip(ends[:-1], ends[1:], shapes, strict=True)]


def _count(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def assembled(shard: Shard, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the whole array, given the parts of all processes, which do not overlap."""
    whole = np.empty(shard.shape, parts[0].dtype)
    for box, part in zip(shard.boxes, parts, strict=True):
        whole[box] = part
    return whole


def first_of(box: Box, shape: Sequence[int]) -> int | None:
    """Return the flat index of the first element of a part in its tensor; None if it has gaps.

    >>> first_of((slice(2, 4), slice(0, 3)), (6, 3))
    6
    """
    cut = [axis for axis, n in enumerate(shape) if _length(box[axis]) != n]
    if not cut:
        return 0
    if any(n != 1 for n in shape[: cut[0]]) or len(cut) > 1:
        return None
    return box[cut[0]].start * int(np.prod(shape[cut[0] + 1 :], dtype=np.int64))


def teams_of(shards: Sequence[Shard | None]) -> list[tuple[Team, list[int]]]:
    """Return the teams, in the order of their first tensors, and the numbers of their tensors."""
    found: dict[int, tuple[Team, list[int]]] = {}
    for k, shard in enumerate(shards):
        if shard is not None:
            found.setdefault(id(shard.team), (shard.team, []))[1].append(k)
    return list(found.values())
