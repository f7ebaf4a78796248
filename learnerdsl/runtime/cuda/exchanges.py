"""What processes exchange between two sweeps on devices: tables of copies, collectives, joins.

After a sweep, each process packs what it has reduced over its parts of the tensors into one array
of float64 for each team. A collective of PyTorch gathers those of all processes. Then a kernel
joins them, in the order of the processes, so that all have bitwise the same numbers. The host only
starts this: nothing waits.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from learnerdsl.monoids import Monoid
from learnerdsl.runtime.cuda.builtin_kernels import TILE
from learnerdsl.runtime.shards import Box, Shard, Team, shape_of_box, teams_of

WIDE = np.dtype(np.float64)


@dataclass(frozen=True)
class Reduced:
    """What is reduced over a tensor: a scalar, or an axis array.

    Attributes:
        tensor: number of the tensor.
        monoid: the operation.
        axes: the axes of the array; empty for a scalar.
        part: address of what this process has reduced over its part.
        whole: address of what all processes together have.
        counts_once: whether it counts the tensor, so that all its parts have the same number.
    """

    tensor: int
    monoid: Monoid
    axes: tuple[int, ...]
    part: int
    whole: int
    counts_once: bool = False


class RaggedTable:
    """A table whose rows have different lengths, and the tiles of the values that rows write."""

    def __init__(self) -> None:
        self.fields: list[int] = []
        self.tiles: list[tuple[int, int]] = []

    def add(self, count: int, row: Sequence[int]) -> None:
        """Append a row that writes so many values; nothing if it writes none."""
        if count:
            self.tiles += [(len(self.fields), first) for first in range(0, count, TILE)]
            self.fields += row

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the table and the tiles as kernels read them."""
        return np.array(self.fields, np.int64), np.array(self.tiles, np.int64)


def copy_row(
    source: int, target: int, itemsize: int, shape: Sequence[int], strides: Sequence[int]
) -> list[int]:
    """Return a row for `copy_boxes`.

    Args:
        source: address of the first value of the box.
        target: address of the copy.
        itemsize: bytes of a value.
        shape: lengths of the box.
        strides: strides of the source, in values.
    """
    axes = [field for pair in zip(shape, strides, strict=True) for field in pair]
    return [source, target, math.prod(shape), itemsize, len(shape), *axes]


def strides_of(shape: Sequence[int]) -> list[int]:
    """Return the strides, in values, of an array in row-major order.

    >>> strides_of((4, 3, 2))
    [6, 2, 1]
    """
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


class TeamExchange:
    """The exchange of one team about one sweep.

    Args:
        team: the processes.
        reduced: what is reduced over their tensors.
        shards: the part of each tensor that this process holds.
        allocate: makes an array of this shape and dtype on the device, with `data_ptr()`.
    """

    def __init__(
        self,
        team: Team,
        reduced: Sequence[Reduced],
        shards: Sequence[Shard | None],
        allocate: Callable[[tuple[int, ...], np.dtype[Any]], Any],
    ) -> None:
        self.team = team
        self.reduced = reduced
        self.shards: Any = shards
        self.boxes = [_boxes(one, shards[one.tensor], team.size) for one in reduced]
        # Where the values of each process lie in what it sends.
        sizes = [[math.prod(shape_of_box(own[p])) for own in self.boxes] for p in range(team.size)]
        self.starts = [[0, *accumulate(own)] for own in sizes]
        # Collectives gather equal lengths.
        length = max(1, *(starts[-1] for starts in self.starts))
        self.sent = allocate((length,), WIDE)
        self.gathered = allocate((team.size * length,), WIDE)
        self.length = length

    def gather(self) -> None:
        """Start the collective on the current stream."""
        self.team.gather_on_device(self.gathered, self.sent)

    def copies(self) -> Iterator[list[int]]:
        """Yield what is copied into `sent`, as rows for `copy_boxes`."""
        number = self.team.number
        for one, boxes, start in zip(self.reduced, self.boxes, self.starts[number], strict=False):
            shape = shape_of_box(boxes[number])
            target = self.sent.data_ptr() + WIDE.itemsize * start
            yield copy_row(one.part, target, WIDE.itemsize, shape, strides_of(shape))

    def sources(self, number: int) -> list[tuple[int, Box]]:
        """Return where the values are that are joined: the address and the box of each."""
        first = self.gathered.data_ptr()
        found = [
            (first + WIDE.itemsize * (p * self.length + self.starts[p][number]), box)
            for p, box in enumerate(self.boxes[number])
        ]
        one = self.reduced[number]
        return [found[self.shards[one.tensor].holder]] if one.counts_once else found


def _boxes(one: Reduced, shard: Shard | None, size: int) -> list[Box]:
    """Return the box of an array that each process has; an empty one if its part is empty."""
    assert shard is not None
    found: list[Box] = []
    for box in shard.boxes:
        own = tuple(box[axis] for axis in one.axes)
        # A sweep over no element writes nothing, not even what its axis arrays begin with.
        is_empty = not math.prod(shape_of_box(box)) and own
        found.append((slice(0, 0), *own[1:]) if is_empty else own)
    assert len(found) == size
    return found


class DeviceExchange:
    """What processes exchange about one sweep.

    Args:
        reduced: what is reduced over the tensors, whole ones too.
        shapes: the shapes of the whole tensors.
        shards: the part of each tensor that this process holds; None for a whole tensor.
        allocate: makes an array on the device; see `TeamExchange`.

    Attributes:
        teams: the exchange of each team.
    """

    def __init__(
        self,
        reduced: Sequence[Reduced],
        shapes: Sequence[tuple[int, ...]],
        shards: Sequence[Shard | None],
        allocate: Callable[[tuple[int, ...], np.dtype[Any]], Any],
    ) -> None:
        self.shapes = shapes
        self.alone = [one for one in reduced if shards[one.tensor] is None]
        self.teams: list[TeamExchange] = []
        for team, tensors in teams_of(shards):
            own = [one for one in reduced if one.tensor in set(tensors)]
            self.teams.append(TeamExchange(team, own, shards, allocate))

    def copies(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the table of `copy_boxes` and its tiles, for what this process sends."""
        table = RaggedTable()
        for team in self.teams:
            for row in team.copies():
                table.add(row[2], row)
        return table.arrays()

    def joins(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the table of `join_boxes` and its tiles."""
        table = RaggedTable()
        for team in self.teams:
            for number, one in enumerate(team.reduced):
                self._add_join(table, one, team.sources(number))
        for one in self.alone:
            shape = self._shape_of(one)
            self._add_join(table, one, [(one.part, tuple(slice(0, n) for n in shape))])
        return table.arrays()

    def _shape_of(self, one: Reduced) -> tuple[int, ...]:
        return tuple(self.shapes[one.tensor][axis] for axis in one.axes)

    def _add_join(
        self, table: RaggedTable, one: Reduced, sources: Sequence[tuple[int, Box]]
    ) -> None:
        """Append a row that joins what all processes have."""
        shape = self._shape_of(one)
        row = [one.whole, math.prod(shape), one.monoid.code, len(sources), len(shape), *shape]
        for address, box in sources:
            row.append(address)
            for part in box:
                row += [part.start, part.stop - part.start]
        table.add(math.prod(shape), row)
