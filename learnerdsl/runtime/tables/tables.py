"""The tables of a program at work on some tensors, whatever machine runs it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from learnerdsl.expr import CLOCK, AxisSize
from learnerdsl.ir import Block
from learnerdsl.kernels.slots import MINIBATCH_SIZE, MODEL_SIZE, SEED, TENSOR_NUMBER, TENSOR_SIZE
from learnerdsl.layout import CHUNK_ROWS, PARTS, Vector
from learnerdsl.pipeline import Program
from learnerdsl.runtime.arrays.sparse import chunks_of_rows
from learnerdsl.runtime.engine import Groups
from learnerdsl.runtime.tables.chunks import CHUNK, PART_ROWS, tabulate_chunks

"""Slots of the clock in a model row."""


def bytes_per_element(passes: Sequence[Block], itemsize: int) -> int:
    """Memory traffic of all passes together: every load and every store of an array."""
    return itemsize * sum(len(block.loads) + len(block.stores) for block in passes)


class Tables:
    """Rows of scalars, chunks and reductions of a program.

    Args:
        program: a compiled rule.
        shapes: shapes of the tensors.
        groups: which group every tensor is in.
        seed: of the random numbers of rules that draw some.
        numbers: number of each tensor, on which random numbers depend; from 0 on if not given.

    Attributes:
        sizes: numbers of elements of the tensors.
        model_rows: float64 (groups, slots).
        tensor_rows: float64 (tensors, slots).
        steps: for each tensor the elements of a chunk.
        widths: elements of a row of each tensor, for gradients of some rows.
        reduces: for each reduction: whether it is a maximum, over the model, its slot in its row.
        reduce_columns: for each level the first and last column of the sums that its pass leaves.
    """

    def __init__(
        self,
        program: Program,
        shapes: Sequence[tuple[int, ...]],
        groups: Groups,
        seed: int,
        numbers: Sequence[int] | None = None,
    ) -> None:
        self.program = program
        self.shapes = shapes
        self.groups = np.array(groups.of_parameters, np.int64)
        layout = program.layout
        self.sizes = np.array([math.prod(shape) for shape in shapes], np.int64)
        self.model_rows = np.zeros((groups.count, len(layout.model)))
        self.tensor_rows = np.zeros((len(shapes), len(layout.tensor)))
        self.model_rows[:, MINIBATCH_SIZE] = 1.0
        self.model_rows[:, SEED] = seed
        self.tensor_rows[:, TENSOR_NUMBER] = np.arange(len(shapes)) if numbers is None else numbers
        for slot, symbol in enumerate(layout.tensor):
            if isinstance(symbol, AxisSize):
                self.tensor_rows[:, slot] = [shape[symbol.axis] for shape in shapes]
        self.steps = self._elements_of_chunks()
        self.widths = [math.prod(shape[1:]) if shape else 1 for shape in shapes]
        self.reduces = self._tabulate_reduces()
        self.reduce_columns = self._tabulate_columns()

    def _elements_of_chunks(self) -> np.ndarray:
        """How many elements a chunk of each tensor has: whole rows where a pass goes by rows."""
        layout, shapes = self.program.layout, self.shapes
        axes = layout.row_axes
        if not axes:
            return np.full(len(shapes), CHUNK, np.int64)
        widths = np.array([max(1, math.prod(s[axis] for axis in axes)) for s in shapes], np.int64)
        rows = np.maximum(1, CHUNK // widths)
        if CHUNK_ROWS in layout.tensor:
            groups = np.array([self.parts_of_chunk(int(width)) for width in widths], np.int64)
            least = [layout.rows_for_parts(shape) for shape in shapes]
            of_part = np.maximum(np.maximum(rows // groups, PART_ROWS), least)
            self.tensor_rows[:, layout.tensor.index(CHUNK_ROWS)] = of_part
            parts = np.maximum(1, -(-self.sizes // (of_part * widths)))
            self.tensor_rows[:, layout.tensor.index(PARTS)] = parts
            rows = of_part * groups
        return rows * widths

    def parts_of_chunk(self, width: int) -> int:
        """How many parts of a sum a chunk has, where rows have so many elements."""
        del width
        return 1

    def parts_of(self, tensor: int) -> tuple[int, int]:
        """Rows of a part of a tensor whose sums over axes are kept in parts, and how many parts."""
        slots, row = self.program.layout.tensor, self.tensor_rows[tensor]
        return int(row[slots.index(CHUNK_ROWS)]), int(row[slots.index(PARTS)])

    def shape_of_vector(self, vector: Vector, tensor: int) -> tuple[int, ...]:
        """The shape of a vector of a tensor, with the parts of one that is summed over chunks."""
        shape = self.shapes[tensor]
        own = tuple(shape[axis] for axis in vector.axes)
        if vector.in_parts:
            rows, parts = self.parts_of(tensor)
            length = self.program.layout.length_of_part(vector, shape, rows)
            own = (math.prod(own) + parts * length,)
        return own

    def chunks_of(self, rows: Mapping[int, np.ndarray]) -> np.ndarray:
        """Chunk table, of these rows of the tensors with these numbers, and of the others whole."""
        chunks = tabulate_chunks(self.sizes, self.steps)
        if rows:
            parts = [chunks[~np.isin(chunks[:, 0], list(rows))]]
            parts += [chunks_of_rows(k, r, self.widths[k], CHUNK) for k, r in rows.items()]
            chunks = np.concatenate(parts)
            chunks = np.ascontiguousarray(chunks[np.argsort(chunks[:, 0], kind="stable")])
        return chunks

    def bounds_of(self, chunks: np.ndarray) -> np.ndarray:
        """For each tensor its first chunk, and one number more."""
        return np.searchsorted(chunks[:, 0], np.arange(len(self.sizes) + 1))

    def count(self, chunks: np.ndarray) -> np.ndarray:
        """Take over how many elements of each tensor the chunks hold."""
        counted = np.bincount(chunks[:, 0], chunks[:, 3], len(self.sizes))
        self.tensor_rows[:, TENSOR_SIZE] = counted
        self.model_rows[:, MODEL_SIZE] = counted.sum()
        return counted

    def _tabulate_reduces(self) -> np.ndarray:
        layout = self.program.layout
        table = np.zeros((max(1, len(layout.reduces)), 3), np.int64)
        for r, reduce in enumerate(layout.reduces):
            row = layout.model if reduce.over == "model" else layout.tensor
            table[r] = reduce.monoid.code, reduce.over == "model", row.index(reduce.symbol)
        return table

    def _tabulate_columns(self) -> list[tuple[int, int]]:
        counted = self.program.layout.reduces
        columns: list[tuple[int, int]] = []
        last = 0
        for block in self.program.kernel.passes:
            first, last = last, last + sum(reduce in counted for reduce in block.reduces)
            columns.append((first, last))
        return columns + [(last, last)] * (len(self.program.levels) - len(columns))

    def extra_slot(self, name: str) -> int:
        """The slot of a number that an update is given."""
        return [symbol.name for symbol in self.program.layout.model].index(name)

    def hyperparameter_slot(self, index: int) -> int:
        """The slot of a hyperparameter: they are behind the clock."""
        return len(CLOCK) + index
