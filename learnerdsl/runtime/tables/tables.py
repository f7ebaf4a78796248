"""The tables of a program for given tensors, the same on every kind of machine.

An axis array has one value for each index of some axes of a tensor, such as a sum for each column.
If chunks compute it, each chunk (or each group of threads on a GPU) writes partial sums into a part
of its own, so that no two write to the same place. The parts follow the values in memory:

    address
    | values | part 0 | part 1 | ... | part parts - 1 |
      count    length   length         length

Joining the parts in order gives the values. A part starts with the identity of the reduction, and
is as long as the values, unless its rows meet only a few indices of the array's leading axes; then
it holds the values of these indices alone.
"""

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from learnerdsl.expr import CLOCK, AxisSize
from learnerdsl.kernels.slots import MINIBATCH_SIZE, MODEL_SIZE, SEED, TENSOR_NUMBER, TENSOR_SIZE
from learnerdsl.layout import CHUNK_ROWS, PARTS, Vector
from learnerdsl.pipeline import Program
from learnerdsl.runtime.arrays.sparse import NO_ROWS, chunks_of_rows
from learnerdsl.runtime.tables.chunks import CHUNK, PART_ROWS, tabulate_chunks
from learnerdsl.runtime.work import Work
from learnerdsl.storage import BLOCK, STORAGES


def bytes_per_element(program: Program) -> float:
    """Return the bytes that all sweeps load and store for each element, scales included."""
    layout = program.layout
    blocks = program.kernel.passes
    loaded = sum(layout.bytes_loaded(load.array) for block in blocks for load in block.loads)
    stored = sum(layout.bytes_stored(s.target) for block in blocks for s in block.stores)
    return loaded + stored


def narrow_operands(program: Program) -> list[sympy.Symbol]:
    """Return the arrays that functions of matrices read and that have to be decoded for it."""
    blocks = program.kernel.matrix_blocks
    read = dict.fromkeys(load.array for block in blocks for load in block.loads)
    arithmetic = STORAGES[program.precision.arithmetic]
    if any(block.computes for block in blocks):
        read[program.kernel.parameter] = None  # its shape and dtype are used
    return [s for s in read if program.layout.storages.get(s, arithmetic) != arithmetic]


def _multiple(counts: np.ndarray, unit: Any) -> np.ndarray:
    """Return the counts, rounded up to multiples of a unit."""
    return -(-counts // unit) * unit


def one_part(width: int) -> int:
    """Return 1: a thread of a CPU works on a whole chunk by itself."""
    del width
    return 1


class Tables:
    """The rows of scalars, chunk sizes and reductions of a program.

    Args:
        program: the compiled rule of all tensors.
        work: the tensors.
        parts_of_chunk: returns the number of parts of a chunk whose rows have so many elements.

    Attributes:
        sizes: number of elements of each tensor (tensors,), int64.
        model_rows: scalars of each group (groups, slots), float64.
        tensor_rows: scalars of each tensor (tensors, slots), float64.
        steps: number of elements of a chunk of each tensor (tensors,), int64.
        widths: number of elements of a row of each tensor, for row-sparse gradients.
        reduces: for each reduction the code of its monoid, whether it is over the model, and its
            slot in the row (reduces, 3), int64.
        reduce_columns: for each level the first column, and one past the last, of the partial sums
            that its sweep writes.
    """

    def __init__(
        self,
        program: Program,
        work: Work,
        parts_of_chunk: Callable[[int], int] = one_part,
    ) -> None:
        self.program = program
        self.shapes = shapes = work.shapes
        self.groups = np.array(work.groups, np.int64)
        layout = program.layout
        self.sizes = np.array([math.prod(shape) for shape in shapes], np.int64)
        self.model_rows = np.zeros((work.group_count, len(layout.model)))
        self.tensor_rows = np.zeros((len(shapes), len(layout.tensor)))
        self.model_rows[:, MINIBATCH_SIZE] = 1.0
        self.model_rows[:, SEED] = work.seed
        self.tensor_rows[:, TENSOR_NUMBER] = work.numbers
        for slot, symbol in enumerate(layout.tensor):
            if isinstance(symbol, AxisSize):
                self.tensor_rows[:, slot] = [shape[symbol.axis] for shape in shapes]
        self.steps = self._elements_of_chunks(parts_of_chunk)
        self.widths = [math.prod(shape[1:]) if shape else 1 for shape in shapes]
        self.reduces = self._tabulate_reduces()
        self.reduce_columns = self._tabulate_columns()

    def _elements_of_chunks(self, parts_of_chunk: Callable[[int], int]) -> np.ndarray:
        """Return the number of elements of a chunk of each tensor.

        A chunk has whole rows if a sweep works row by row.
        """
        layout, shapes = self.program.layout, self.shapes
        axes = layout.row_axes
        if not axes:
            return np.full(len(shapes), CHUNK, np.int64)
        widths = np.array([max(1, math.prod(s[axis] for axis in axes)) for s in shapes], np.int64)
        # Chunks start where blocks of 8-bit states do.
        unit = BLOCK // np.gcd(widths, BLOCK) if self.program.precision.has_blocks else 1
        rows = _multiple(np.maximum(1, CHUNK // widths), unit)
        if CHUNK_ROWS in layout.tensor:
            groups = np.array([parts_of_chunk(int(width)) for width in widths], np.int64)
            least = [layout.rows_for_parts(shape) for shape in shapes]
            of_part = np.maximum(np.maximum(rows // groups, PART_ROWS), least)
            of_part = _multiple(of_part, unit)
            self.tensor_rows[:, layout.tensor.index(CHUNK_ROWS)] = of_part
            parts = np.maximum(1, -(-self.sizes // (of_part * widths)))
            self.tensor_rows[:, layout.tensor.index(PARTS)] = parts
            rows = of_part * groups
        return rows * widths

    def parts_of(self, tensor: int) -> tuple[int, int]:
        """Return the number of rows of each part of a tensor, and its number of parts."""
        slots, row = self.program.layout.tensor, self.tensor_rows[tensor]
        return int(row[slots.index(CHUNK_ROWS)]), int(row[slots.index(PARTS)])

    def shape_of_vector(self, vector: Vector, tensor: int) -> tuple[int, ...]:
        """Return the shape of an axis array; it is flat and includes the parts if there are any."""
        shape = self.shapes[tensor]
        own = tuple(shape[axis] for axis in vector.axes)
        if vector.in_parts:
            rows, parts = self.parts_of(tensor)
            length = self.program.layout.length_of_part(vector, shape, rows)
            own = (math.prod(own) + parts * length,)
        return own

    def chunks_of(self, rows: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return the chunk table (chunks, 4), int64.

        Args:
            rows: number of a tensor -> the rows that its chunks cover; all other tensors are
                covered as a whole.
        """
        chunks = self.whole_chunks
        if rows:
            is_whole = np.ones(len(self.sizes), np.bool_)
            is_whole[list(rows)] = False
            parts = [chunks[is_whole[chunks[:, 0]]]]
            some = {k: own for k, own in rows.items() if own is not NO_ROWS}
            parts += [chunks_of_rows(k, r, self.widths[k], CHUNK) for k, r in some.items()]
            chunks = np.concatenate(parts)
            if some:
                chunks = np.ascontiguousarray(chunks[np.argsort(chunks[:, 0], kind="stable")])
        return chunks

    @cached_property
    def whole_chunks(self) -> np.ndarray:
        """The chunk table of whole tensors (chunks, 4), int64; do not write to it."""
        return tabulate_chunks(self.sizes, self.steps)

    def bounds_of(self, chunks: np.ndarray) -> np.ndarray:
        """Return the first chunk of each tensor, then the number of chunks (tensors + 1,)."""
        return np.searchsorted(chunks[:, 0], np.arange(len(self.sizes) + 1))

    def count(self, chunks: np.ndarray) -> np.ndarray:
        """Write the number of elements in the chunks of each tensor into the rows; return them."""
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
        """Return the slot of a scalar extra in a model row."""
        return [symbol.name for symbol in self.program.layout.model].index(name)

    def value_slot(self, name: str) -> int | None:
        """Return the slot of an extra in a tensor row; None if it is an array."""
        names = {extra.name: extra for extra in self.program.kernel.extras}
        slots = self.program.layout.tensor
        return slots.index(names[name]) if names[name] in slots else None

    def hyperparameter_slot(self, index: int) -> int:
        """Return the slot of a hyperparameter in a model row: they follow the clock."""
        return len(CLOCK) + index
