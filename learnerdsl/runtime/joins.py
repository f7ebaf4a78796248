"""Join over processes what each has reduced over its parts of the tensors."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from learnerdsl.errors import ArrayError
from learnerdsl.layout import Layout, Vector
from learnerdsl.monoids import Monoid
from learnerdsl.runtime.shards import (
    Box,
    Shard,
    Team,
    gather_parts,
    joined,
    shape_of_box,
    teams_of,
)


class Join:
    """Joins reductions to scalars and to axis arrays, with one exchange for each team.

    Args:
        monoids: the operations of the reductions to scalars.
        vectors: the axis arrays.
        shards: the part of each tensor that this process holds; None for a whole tensor.
        by_tensor: the numbers of the reductions that count tensors.
    """

    def __init__(
        self,
        monoids: Sequence[Monoid],
        vectors: Sequence[Vector],
        shards: Sequence[Shard | None],
        by_tensor: Collection[int] = (),
    ) -> None:
        self.monoids = monoids
        self.by_tensor = by_tensor
        self.vectors = vectors
        self.shards = shards
        # The part of each axis array that each process has.
        self.boxes = {
            (k, j): [tuple(box[axis] for axis in vector.axes) for box in shard.boxes]
            for k, shard in enumerate(shards)
            if shard is not None
            for j, vector in enumerate(vectors)
        }
        self.teams = [
            (team, tensors, self._shapes(team, tensors)) for team, tensors in teams_of(shards)
        ]

    def _places(self, tensors: Sequence[int]) -> list[tuple[int, int]]:
        """Return (tensor, number of the axis array) in the order in which they are exchanged."""
        return [(k, j) for k in tensors for j in range(len(self.vectors))]

    def _shapes(self, team: Team, tensors: Sequence[int]) -> list[list[tuple[int, ...]]]:
        """Return the shapes of what each process gives."""
        boxes: list[list[Box]] = [self.boxes[place] for place in self._places(tensors)]
        first = (len(tensors), len(self.monoids) + 1)  # and whether it is left out
        return [[first, *(shape_of_box(own[p]) for own in boxes)] for p in range(team.size)]

    def __call__(
        self, scalars: np.ndarray, vectors: list[list[np.ndarray]], absent: Sequence[int]
    ) -> None:
        """Replace the values of the parts by those of the whole tensors.

        Args:
            scalars: what reductions to scalars give (tensors, monoids), float64.
            vectors: for each tensor the axis arrays, float64.
            absent: the numbers of the tensors that the update leaves out.

        Raises:
            ArrayError: processes leave out different tensors.
        """
        for team, tensors, shapes in self.teams:
            left_out = np.isin(tensors, absent)[:, None]
            first = np.concatenate([scalars[tensors], left_out], axis=1)
            own = [first, *(array for k in tensors for array in vectors[k])]
            parts = gather_parts(team, own, shapes)
            self._refuse_different(tensors, [part[0][:, -1] for part in parts])
            for j, monoid in enumerate(self.monoids):
                of_processes = np.array([part[0][:, j] for part in parts])
                if j in self.by_tensor:
                    scalars[tensors, j] = self._of_one(tensors, of_processes)
                else:
                    scalars[tensors, j] = monoid.ufunc.accumulate(of_processes)[-1]
            for number, (k, j) in enumerate(self._places(tensors), 1):
                shard: Any = self.shards[k]
                vector, arrays = self.vectors[j], [part[number] for part in parts]
                whole = tuple(shard.shape[axis] for axis in vector.axes)
                vectors[k][j] = joined(vector.monoid, whole, self.boxes[k, j], arrays)

    def _of_one(self, tensors: Sequence[int], of_processes: np.ndarray) -> list[float]:
        """Return the value of each tensor, which all processes have that hold elements of it."""
        shards: list[Any] = [self.shards[k] for k in tensors]
        return [float(of_processes[shard.holder, k]) for k, shard in enumerate(shards)]

    def _refuse_different(self, tensors: Sequence[int], left_out: Sequence[np.ndarray]) -> None:
        """Raise if a tensor has a gradient on some processes only."""
        differs = np.ptp(left_out, axis=0) > 0
        if differs.any():
            shard: Any = self.shards[tensors[int(np.argmax(differs))]]
            msg = (
                f"A tensor of shape {shard.shape} has a gradient on some processes and none on "
                "others, so its sums would be of a part; give it one on all, of zeros if need be."
            )
            raise ArrayError(msg)


def values_in(memory: np.ndarray, vector: Vector, shape: Sequence[int]) -> np.ndarray:
    """Return a view of the values of an axis array, without its parts.

    Args:
        memory: its memory, with its parts if it has any.
        vector: what it is.
        shape: the shape of its tensor.
    """
    own = tuple(shape[axis] for axis in vector.axes)
    return memory.reshape(-1)[: int(np.prod(own, dtype=np.int64))].reshape(own)


def join_chunks(
    layout: Layout, vector: Vector, memory: np.ndarray, shape: Sequence[int], rows: int, parts: int
) -> np.ndarray:
    """Return the values that the parts of all chunks of a tensor give, as its kernels join them.

    Args:
        layout: the tables of the kernel.
        vector: the axis array, which has parts.
        memory: its values, then its parts.
        shape: the shape of the tensor.
        rows: the number of rows that a part is for.
        parts: the number of parts.
    """
    own = tuple(shape[axis] for axis in vector.axes)
    count = int(np.prod(own, dtype=np.int64))
    length = layout.length_of_part(vector, shape, rows)
    body = memory[count : count + parts * length].reshape(parts, length)
    if not vector.outer:
        return vector.monoid.ufunc.reduce(body, axis=0).reshape(own)
    inner = max(1, int(np.prod([shape[a] for a in layout.leading if a not in vector.outer])))
    each = int(np.prod([shape[a] for a in vector.axes if a not in vector.outer]))
    result = np.full(count, vector.monoid.identity)
    for part in range(parts):
        first = part * rows // inner * each
        here = result[first : first + length]
        vector.monoid.ufunc(here, body[part, : len(here)], out=here)
    return result.reshape(own)


def sums_of_tensors(sums: np.ndarray, bounds: np.ndarray, monoid: Monoid) -> np.ndarray:
    """Return a reduction over each tensor (tensors,), given those over chunks.

    Args:
        sums: the results over chunks (chunks,).
        bounds: the first chunk of each tensor, then the number of chunks (tensors + 1,).
        monoid: the operation.

    >>> from learnerdsl.monoids import SUM
    >>> sums_of_tensors(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 2, 3]), SUM)
    array([3., 0., 4.])
    """
    starts = bounds[:-1]
    has_chunks = bounds[1:] > starts
    found = np.full(len(starts), monoid.identity)
    if has_chunks.any():
        found[has_chunks] = monoid.ufunc.reduceat(sums, starts[has_chunks])
    return found
