"""A CUDA engine for tensors of which each process holds a part.

As on the CPU, every process computes the scalars and axis arrays of whole tensors, and sweeps over
its own part of them; see `runtime/cpu/sharded.py`. So there are two sets of tables on the device.
Kernels copy the scalars, and the own part of the axis arrays, to the tables of the part before a
sweep. After it, processes exchange what they have reduced; see `exchanges`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from learnerdsl.errors import ArrayError
from learnerdsl.kernels.slots import MODEL_SIZE, TENSOR_SIZE
from learnerdsl.layout import CHUNK_ROWS, PARTS, Vector
from learnerdsl.monoids import SUM
from learnerdsl.pipeline import Program
from learnerdsl.runtime.arrays.device import Place
from learnerdsl.runtime.arrays.host import Gradient
from learnerdsl.runtime.arrays.sparse import NO_ROWS
from learnerdsl.runtime.cuda import box_kernels, builtin_kernels
from learnerdsl.runtime.cuda.device import ALIGNMENT, Device, Launch, Words
from learnerdsl.runtime.cuda.engine import CudaEngine
from learnerdsl.runtime.cuda.exchanges import (
    DeviceExchange,
    RaggedTable,
    Reduced,
    copy_row,
    strides_of,
)
from learnerdsl.runtime.cuda.launches import Scheduler, tabulate_joins
from learnerdsl.runtime.cuda.states import Allocate, groups_of_threads
from learnerdsl.runtime.cuda.whole_matrices import WholeMatrixStage
from learnerdsl.runtime.exchanges import (
    counted_from,
    exchanges,
    first_elements,
    is_local,
    refuse_local_sizes,
    refuse_rows,
)
from learnerdsl.runtime.tables.tables import Tables
from learnerdsl.runtime.tables.units import CHECK, sweep_of
from learnerdsl.runtime.work import Work

WORD = 8
"""Bytes of a slot of a row, and of a partial result."""


@dataclass
class PartTables:
    """The addresses of the tables of the parts on a device.

    Attributes:
        scalars: the address table for kernels of scalars, which use its axis arrays alone.
        tensor_rows: the tensor rows for sweeps.
        partials: what sweeps have reduced over each part (tensors, reductions), float64.
        counts: how many gradient values of each whole tensor are NaN or infinite.
        reduces: the table of reductions, in which all go to `partials`.
        handed: level -> the table of what is copied before its sweep, and its tiles.
        packed: unit -> the table of what is copied before its exchange, and its tiles.
        joined: unit -> the table of the joins after its exchange, and its tiles.
    """

    scalars: int
    tensor_rows: int
    partials: int
    counts: int
    reduces: int
    handed: dict[int, tuple[int, int, int]]
    packed: dict[int, tuple[int, int, int]]
    joined: dict[int, tuple[int, int, int]]


class ShardedScheduler(Scheduler):
    """Plans the launches of an engine of parts, and those after its exchanges."""

    parts: PartTables

    def words_of_scalars(self) -> Words:
        """Return the arguments of the kernels of scalars: tables of the whole tensors."""
        return self.words(self.parts.scalars, self.places.tensor_rows)

    def words_of_sweeps(self) -> Words:
        """Return the arguments of the kernels that sweep over elements: tables of the parts."""
        return self.words(self.places.addresses, self.parts.tensor_rows)

    def sweep(self, level: int) -> list[Launch]:
        """Return the launches of a sweep, and those that copy to its tables, and from them."""
        launches = super().sweep(level)
        return [*self.of_boxes(box_kernels.copy_boxes, self.parts.handed, level), *launches]

    def behind(self, level: int) -> list[Launch]:
        """Return the launches after a sweep, which combine and pack its partial results."""
        first, last = self.tables.reduce_columns[level]
        combined = self.combine(first, last, self.places.gate) if first < last else []
        packed = self.of_boxes(box_kernels.copy_boxes, self.parts.packed, sweep_of(level))
        return [*combined, *self.joins(level), *packed]

    def combine(self, first: int, last: int, gate: int) -> list[Launch]:
        """Return the launch that reduces over the parts of tensors what chunks have."""
        at, parts = self.places, self.parts
        words = (at.sums, at.bounds, parts.reduces, at.tensor_rows, parts.partials, gate)
        own = (*words, self.reduce_count, first, last, self.widths[2], self.tensors)
        return [self.launch(builtin_kernels.combine, self.tensors, Words(own))]

    def of_boxes(
        self, kernel: Any, tables: Mapping[int, tuple[int, int, int]], key: int
    ) -> list[Launch]:
        """Return the launch of a kernel over a table of boxes, if there is one with this key."""
        if key not in tables:
            return []
        return [self.launch(kernel, tables[key][2], Words(tables[key]))]

    def check_unit(self, words: Words) -> list[Launch]:
        """Return the launches that count NaN and infinite gradient values of the own parts."""
        if self.check is None:
            return []
        counted, _ = super().check_unit(words)
        packed = self.of_boxes(box_kernels.copy_boxes, self.parts.packed, CHECK)
        return [counted, *self.combine(0, 1, 0), *packed]

    def after(self, unit: int) -> list[Launch]:
        """Return the launches after the exchange of a unit."""
        joins = self.of_boxes(box_kernels.join_boxes, self.parts.joined, unit)
        if unit == CHECK:
            words = Words((self.parts.counts, self.places.found, 1, self.tensors))
            return [*joins, self.launch(builtin_kernels.count_nonfinite, 1, words)]
        level = next(k for k in range(len(self.tables.program.levels)) if sweep_of(k) == unit)
        return [*joins, *self.behind_tensors(level)]


class ShardedCudaEngine(CudaEngine):
    """Runs a program over the parts of tensors that this process holds; see `Engine`.

    Its tables are those of the whole tensors.

    Args:
        program: the compiled rule of all tensors.
        work: the tensors; `shapes` are those of the whole ones.
        parameters: places of the parts, to update in place.
        device: the device that the parts are on.
        stream: returns the current stream.
        allocate: makes arrays of the library that has the collectives.

    Attributes:
        part: the tables of the parts.
        exchanges: unit -> what processes exchange after it.

    Raises:
        ArrayError: the rule cannot be computed of parts on a device.
    """

    part_scheduler: ShardedScheduler

    def __init__(
        self,
        program: Program,
        work: Work,
        parameters: Sequence[Place],
        device: Device,
        stream: Callable[[], int],
        allocate: Allocate | None,
    ) -> None:
        refuse_local_sizes(program)
        if allocate is None:
            msg = "Processes exchange parts of tensors by PyTorch; pass parts that are its tensors."
            raise ArrayError(msg)
        self.shards = work.shards
        self.firsts = np.array(first_elements(program, self.shards), np.int64)
        own = replace(work, shapes=[place.shape for place in parameters])
        self.part = Tables(program, own, groups_of_threads)
        self.parts: PartTables | None = None
        self.exchanges: dict[int, DeviceExchange] = {}
        self.launches_after: dict[int, list[Launch]] = {}
        super().__init__(program, work, parameters, device, stream, allocate)

    def make_scheduler(self, check: Any) -> ShardedScheduler:
        """Return what plans the launches; `check` is the kernel that checks gradients, or None."""
        self.part_scheduler = ShardedScheduler(self, self.module, self.device, self.at, check)
        if self.parts is None:
            self.parts = self._place_parts()
        self.part_scheduler.parts = self.parts
        return self.part_scheduler

    def make_stage(self, level: int) -> WholeMatrixStage:
        """Return what runs the functions of matrices of a level."""
        return WholeMatrixStage(self, level)

    def addresses_of(self, k: int, symbol: Any, column: int) -> tuple[int, int]:
        """Return the addresses of an array of the part of tensor `k`, and of its second array."""
        source, second = super().addresses_of(k, symbol, column)
        layout, first = self.program.layout, int(self.firsts[k])
        own = [companion for companion in layout.companions if companion.symbol == symbol]
        back = first // own[0].block * own[0].itemsize if own else 0
        master = symbol == self.program.kernel.parameter and self.program.precision.master
        if master == "float32":
            return source + back, second
        counted = first * layout.storages[symbol].itemsize if column != 1 else 0
        return source + counted, second + back if second else 0

    def _place_arrays(self, parameters: Sequence[Place]) -> list[dict[str, tuple[int, Any, Any]]]:
        """Allocate the arrays of each tensor, and the axis arrays of its part."""
        slots = self.program.layout.tensor
        if PARTS in slots:  # what processes have joined is in one part
            self.tensor_rows[:, slots.index(PARTS)] = 1
            self.tensor_rows[:, slots.index(CHUNK_ROWS)] = np.maximum(1, self.sizes)
        self.part_places = self._place_part_vectors()
        return super()._place_arrays(parameters)

    def _place_part_vectors(self) -> list[dict[str, tuple[int, Any, Any]]]:
        """Allocate the axis arrays of each part: name -> (address, shape, dtype)."""
        found: list[dict[str, tuple[int, Any, Any]]] = [{} for _ in self.shapes]
        end = 0
        for k, own in enumerate(found):
            for vector in self.program.layout.vectors:
                shape = self.part.shape_of_vector(vector, k)
                kind = self.program.layout.storages[vector.symbol].numpy
                own[vector.symbol.name] = end, shape, kind
                end += -(-math.prod(shape) * kind.itemsize // ALIGNMENT) * ALIGNMENT
        self.part_arena = self.device.allocate(end)
        base = self.part_arena.address
        return [{n: (base + at, *form) for n, (at, *form) in own.items()} for own in found]

    def _start_vectors(self) -> None:
        """Fill the axis arrays of empty tensors and of empty parts."""
        super()._start_vectors()
        self.fill_vectors(self.part_places)

    def _tabulate_addresses(self, parameters: Sequence[Place]) -> np.ndarray:
        """Return the address table for sweeps, and keep that for scalars."""
        table = super()._tabulate_addresses(parameters)
        self.whole_addresses = table.copy()
        layout = self.program.layout
        first = len(layout.arrays)
        for j, vector in enumerate(layout.vectors):
            name = vector.symbol.name
            table[:, first + j] = [own[name][0] for own in self.part_places]
        # Kernels count elements from the first one of the whole tensor.
        given = (layout.arrays[1], *self.program.kernel.extras)
        for column, symbol in enumerate(layout.arrays):
            if symbol not in given:
                table[:, column] -= self.firsts * layout.storages[symbol].itemsize
        for column, companion in enumerate(layout.companions, len(layout.columns)):
            table[:, column] -= self.firsts // companion.block * companion.itemsize
        return table

    def _tabulate_joins(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which axis arrays of the parts the sweep of a level leaves in parts of chunks."""
        return tabulate_joins(self.part, level, self._address_of_part)

    def _address_of_part(self, tensor: int, vector: Vector) -> int:
        return self.part_places[tensor][vector.symbol.name][0]

    def _place_parts(self) -> PartTables:
        """Copy the tables of the parts to the device."""
        reduces = self.reduces.copy()
        reduces[:, 1] = 1  # as if all were over the model: combined for each tensor, and no more
        count = len(self.sizes)
        parts = PartTables(
            scalars=self.keep(self.whole_addresses),
            tensor_rows=self.keep(self.part.tensor_rows),
            partials=self.keep(np.zeros((count, len(self.reduces)))),
            counts=self.keep(np.zeros(count)),
            reduces=self.keep(reduces),
            handed={},
            packed={},
            joined={},
        )
        for level, exchange in enumerate(exchanges(self.program)):
            if self.program.levels[level].element:
                table = RaggedTable()
                for row in (*self._rows_handed(parts), *self._vectors_handed(exchange.read)):
                    table.add(row[2], row)
                parts.handed[level] = self._keep_tiled(table.arrays())
            reduced = [
                *self._scalars_of(exchange.columns, parts),
                *self._vectors_of(exchange.vectors),
            ]
            self._add_exchange(sweep_of(level), reduced, parts)
        if self.check_finite:
            pairs = enumerate(self._partials(0, parts))
            counts = [Reduced(k, SUM, (), at, parts.counts + WORD * k) for k, at in pairs]
            self._add_exchange(CHECK, counts, parts)
        return parts

    def _keep_tiled(self, arrays: tuple[np.ndarray, np.ndarray]) -> tuple[int, int, int]:
        """Copy a table and its tiles to the device; return their addresses, and how many tiles."""
        table, tiles = arrays
        return self.keep(table), self.keep(tiles), len(tiles)

    def _add_exchange(self, unit: int, reduced: Sequence[Reduced], parts: PartTables) -> None:
        """Let processes exchange this after a unit, if it is anything."""
        if not reduced:
            return
        allocate: Any = self.allocate
        exchange = DeviceExchange(reduced, self.shapes, self.shards, allocate)
        parts.packed[unit] = self._keep_tiled(exchange.copies())
        parts.joined[unit] = self._keep_tiled(exchange.joins())
        self.exchanges[unit] = exchange

    def _rows_handed(self, parts: PartTables) -> Iterator[list[int]]:
        """Yield the slots of all tensor rows that a sweep needs as they are for whole tensors."""
        slots = self.program.layout.tensor
        shared = [slot for slot, symbol in enumerate(slots) if not is_local(symbol)]
        runs: list[list[int]] = []
        for slot in shared:
            if runs and runs[-1][-1] == slot - 1:
                runs[-1].append(slot)
            else:
                runs.append([slot])
        for k in range(len(self.sizes)):
            for run in runs:
                at = WORD * (k * len(slots) + run[0])
                source, target = self.at.tensor_rows + at, parts.tensor_rows + at
                yield copy_row(source, target, WORD, (len(run),), (1,))

    def _vectors_handed(self, vectors: Sequence[Vector]) -> Iterator[list[int]]:
        """Yield the own parts of axis arrays, which a sweep reads."""
        for vector in vectors:
            name = vector.symbol.name
            for k, shard in enumerate(self.shards):
                whole = tuple(self.shapes[k][axis] for axis in vector.axes)
                shape = tuple(self.part.shapes[k][axis] for axis in vector.axes)
                first = [shard.own[axis].start if shard else 0 for axis in vector.axes]
                strides = strides_of(whole)
                source, _, kind = self.places[k][name]
                offset = sum(a * b for a, b in zip(first, strides, strict=True))
                target = self.part_places[k][name][0]
                itemsize = kind.itemsize
                yield copy_row(source + itemsize * offset, target, itemsize, shape, strides)

    def _partials(self, column: int, parts: PartTables) -> list[int]:
        """Return the address of what is reduced over the part of each tensor, for a column."""
        width = len(self.reduces)
        return [parts.partials + WORD * (width * k + column) for k in range(len(self.sizes))]

    def _scalars_of(self, columns: Sequence[int], parts: PartTables) -> Iterator[Reduced]:
        """Yield the reductions of a sweep to scalars."""
        row, width = len(self.program.layout.tensor), len(self.reduces)
        for column in columns:
            _, is_model, slot = map(int, self.reduces[column])
            for k, part in enumerate(self._partials(column, parts)):
                own = self.at.tensor_rows + WORD * (row * k + slot)
                of_model = self.at.partials + WORD * (width * k + column)
                reduce = self.program.layout.reduces[column]
                whole = of_model if is_model else own
                yield Reduced(k, reduce.monoid, (), part, whole, reduce.by_tensor)

    def _vectors_of(self, vectors: Sequence[Vector]) -> Iterator[Reduced]:
        """Yield the reductions of a sweep to axis arrays."""
        for vector in vectors:
            for k in range(len(self.sizes)):
                part, whole = self._address_of_part(k, vector), self._address_of(k, vector)
                yield Reduced(k, vector.monoid, vector.axes, part, whole)

    def chunks_of(self, rows: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return the chunk table of the parts."""
        if any(own is not NO_ROWS for own in rows.values()):
            refuse_rows(self.program)
        chunks = self.part.chunks_of(rows)
        chunks[:, 1] += self.firsts[chunks[:, 0]]
        return chunks

    def count(self, chunks: np.ndarray) -> np.ndarray:
        """Write the numbers of elements of the whole tensors into the rows; return the own ones."""
        self.tensor_rows[:, TENSOR_SIZE] = self.sizes
        self.model_rows[:, MODEL_SIZE] = self.sizes.sum()
        return np.bincount(chunks[:, 0], chunks[:, 3], len(self.sizes))

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Write the addresses into the table; extras are counted as parameters are."""
        own = counted_from(self.program, column, self.firsts[list(indices)].tolist(), addresses)
        super().bind(column, indices, arrays, own)

    def plan_launches(self) -> None:
        """Plan the launches of an update with the current addresses of the tables."""
        super().plan_launches()
        self.launches_after = {unit: self.part_scheduler.after(unit) for unit in self.exchanges}

    def run(self, first: int, last: int) -> float:
        """Start the units from `first` up to `last`, with what processes exchange after them."""
        stream = self.stream()
        for unit in range(first, last):
            super().run(unit, unit + 1)
            if unit in self.exchanges:
                for team in self.exchanges[unit].teams:
                    team.gather()
                for launch in self.launches_after[unit]:
                    self.device.launch(launch, stream)
        return 0.0

    @property
    def lends_states(self) -> bool:
        """Whether another engine can use its states: no, tables of boxes have their addresses."""
        return False

    def find_nonfinite(self, gradients: Sequence[Any]) -> list[int]:
        """Return the numbers of the tensors of which some process has such gradients."""
        del gradients
        assert self.parts is not None
        counts = self.read(self.parts.counts, (len(self.sizes),), np.float64)
        return np.flatnonzero(counts).tolist()
