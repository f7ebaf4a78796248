"""A CPU engine for tensors of which each process holds a part.

Every process computes the scalars and axis arrays of whole tensors, and sweeps over its own part of
them. So there are two sets of tables:

    scalars of level 0  ->  sweep 0  ->  scalars of level 1  ->  sweep 1  -> ...
    whole tensors           own part     whole tensors           own part

Before a sweep, the scalars and the own part of the axis arrays are copied into the tables of the
part. After it, the results of its reductions are joined over the processes, all those of a level
together. Functions of matrices gather their operands; see `sharded_matrices`.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numba.core import config

from learnerdsl.kernels.slots import MODEL_SIZE, TENSOR_SIZE
from learnerdsl.layout import CHUNK_ROWS, PARTS, Vector
from learnerdsl.monoids import SUM, Monoid
from learnerdsl.pipeline import Program
from learnerdsl.runtime.arrays.host import Gradient, address_of
from learnerdsl.runtime.arrays.sparse import NO_ROWS
from learnerdsl.runtime.cpu.engine import CpuEngine
from learnerdsl.runtime.cpu.launch import Frame, serial_driver
from learnerdsl.runtime.cpu.memory import Memory
from learnerdsl.runtime.cpu.sharded_matrices import WholeMatrices
from learnerdsl.runtime.cpu.stepping import step_through
from learnerdsl.runtime.exchanges import (
    Exchange,
    counted_from,
    exchanges,
    first_elements,
    is_local,
    refuse_local_sizes,
    refuse_rows,
)
from learnerdsl.runtime.joins import Join, join_chunks, sums_of_tensors, values_in
from learnerdsl.runtime.tables.tables import Tables
from learnerdsl.runtime.tables.units import CHECK, is_sweep, level_of
from learnerdsl.runtime.work import Work

_settings: Any = config


class ShardedMemory(Memory):
    """The arrays of an engine whose tensors are parts of larger ones.

    Args:
        tables: the tables of the whole tensors.
        parameters: the parts, to update in place.
        part: the tables of the parts.
        firsts: the number of the first element of each part in its tensor, as kernels count.

    Attributes:
        vectors: the axis arrays of whole tensors.
        part_vectors: those that belong to the parts.
        addresses: the address table for sweeps.
        whole_addresses: that for scalars, of which only the axis arrays are used.
    """

    def __init__(
        self,
        tables: Tables,
        parameters: Sequence[np.ndarray],
        part: Tables,
        firsts: Sequence[int],
    ) -> None:
        super().__init__(tables, parameters)
        self.firsts = firsts
        vectors = self.layout.vectors
        self.part_vectors = [self._make_vectors(k, part) for k in range(self.count)]
        self.whole_addresses = self.addresses
        self.addresses = self.addresses.copy()
        first = len(self.layout.arrays)
        own = [[address_of(a) for a in held.values()] for held in self.part_vectors]
        self.addresses[:, first : first + len(vectors)] = np.reshape(own, (self.count, -1))
        self._shift([0, *range(self.given, first)])

    def _shift(self, columns: Sequence[int]) -> None:
        """Count the elements of these columns from the first element of the whole tensor."""
        for column in columns:
            itemsize = self.layout.storages[self.layout.arrays[column]].itemsize
            self.addresses[:, column] -= np.array(self.firsts, np.uint64) * np.uint64(itemsize)
        for column, companion in enumerate(self.layout.companions, len(self.layout.columns)):
            offsets = np.array(self.firsts, np.uint64) // np.uint64(companion.block)
            self.addresses[:, column] -= offsets * np.uint64(companion.itemsize)


class ShardedEngine(CpuEngine):
    """Runs a program over the parts of tensors that this process holds; see `Engine`.

    Its tables are those of the whole tensors.

    Args:
        program: the compiled rule of all tensors.
        work: the tensors; `shapes` are those of the whole ones.
        parameters: the parts, to update in place.

    Attributes:
        part: the tables of the parts.
    """

    memory: ShardedMemory

    def __init__(self, program: Program, work: Work, parameters: Sequence[np.ndarray]) -> None:
        refuse_local_sizes(program)
        self.shards = work.shards
        self.firsts = np.array(first_elements(program, self.shards), np.int64)
        self.part = Tables(program, replace(work, shapes=[p.shape for p in parameters]))
        self.exchanges = exchanges(program)
        self.joins = [self._join_of(program, exchange) for exchange in self.exchanges]
        self.check_join = Join([SUM], (), self.shards)
        self.nonfinite: list[int] = []
        super().__init__(program, work, parameters)
        self.handed_down = [self._pairs(exchange) for exchange in self.exchanges]
        self.whole_matrices = WholeMatrices(self)

    def _join_of(self, program: Program, exchange: Exchange) -> Join:
        """Return what joins the results of a sweep."""
        reduces = [program.layout.reduces[column] for column in exchange.columns]
        by_tensor = [k for k, reduce in enumerate(reduces) if reduce.by_tensor]
        return Join([r.monoid for r in reduces], exchange.vectors, self.shards, by_tensor)

    def make_memory(self, parameters: Sequence[np.ndarray]) -> ShardedMemory:
        """Allocate the arrays, with one part for what processes have joined already."""
        slots = self.program.layout.tensor
        if PARTS in slots:
            self.tensor_rows[:, slots.index(PARTS)] = 1
            self.tensor_rows[:, slots.index(CHUNK_ROWS)] = np.maximum(1, self.sizes)
        local = [k for k, symbol in enumerate(slots) if is_local(symbol)]
        self.shared_slots = np.delete(np.arange(len(slots)), local)
        return ShardedMemory(self, parameters, self.part, self.firsts.tolist())

    def build_frame(self) -> np.ndarray:
        """Build the frame for sweeps, with the tables of the parts."""
        frame = super().build_frame()
        self.tables[Frame.TENSOR_ROWS] = self.part.tensor_rows
        frame[Frame.TENSOR_ROWS] = self.part.tensor_rows.ctypes.data
        self.whole_tables = {
            Frame.ADDRESSES: self.memory.whole_addresses,
            Frame.TENSOR_ROWS: self.tensor_rows,
        }
        self.scalars_frame = frame.copy()
        return frame

    def _pairs(self, exchange: Exchange) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the axis arrays that a sweep reads: (own part of the whole one, that copy)."""
        memory, found = self.memory, list[tuple[np.ndarray, np.ndarray]]()
        for vector in exchange.read:
            for k, shard in enumerate(self.shards):
                own = tuple(shard.own[axis] for axis in vector.axes) if shard else ...
                whole = values_in(memory.vectors[k][vector.symbol.name], vector, self.shapes[k])
                part = memory.part_vectors[k][vector.symbol.name]
                found.append((whole[own], values_in(part, vector, self.part.shapes[k])))
        return found

    def chunks_of(self, rows: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return the chunk table of the parts."""
        if any(own is not NO_ROWS for own in rows.values()):
            refuse_rows(self.program)
        self.absent = list(rows)
        chunks = self.part.chunks_of(rows)
        chunks[:, 1] += self.firsts[chunks[:, 0]]
        return chunks

    def count(self, chunks: np.ndarray) -> np.ndarray:
        """Write the numbers of elements of the whole tensors into the rows; return the own ones."""
        present = self.sizes.copy()
        present[self.absent] = 0
        self.tensor_rows[:, TENSOR_SIZE] = present
        self.model_rows[:, MODEL_SIZE] = present.sum()
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
        super().bind(column, indices, arrays, [address % 2**64 for address in own])

    def launch_by(self, launch: Callable[[], float]) -> None:
        """Use this function to run sweeps."""
        self.launch_units = launch
        self.launch = functools.partial(self.run, 0, self.units)

    def run(self, first: int, last: int) -> float:
        """Run the units from `first` up to `last`, with what processes exchange between them."""
        for unit in range(first, last):
            if unit == CHECK:
                refused = self.count_nonfinite_of_all() if self.is_checking else 0.0
                if refused:
                    return refused
            elif is_sweep(unit):
                self.sweep(unit)
            else:
                self.compute_scalars(unit)
                self.whole_matrices.run(level_of(unit))
        return 0.0

    def launch_unit(self, unit: int) -> float:
        """Run one unit over the parts."""
        self.frame[Frame.FIRST_UNIT], self.frame[Frame.LAST_UNIT] = unit, unit + 1
        return self.launch_units()

    def compute_scalars(self, unit: int) -> None:
        """Compute scalars and axis arrays of whole tensors."""
        frame = self.scalars_frame
        frame[:] = self.frame
        frame[Frame.FIRST_UNIT], frame[Frame.LAST_UNIT] = unit, unit + 1
        for field, table in self.whole_tables.items():
            frame[field] = table.ctypes.data
        if _settings.DISABLE_JIT:
            tables = {**self.tables, **self.whole_tables}
            units = range(unit, unit + 1)
            step_through(tables, self.module, self.program.levels, None, units)
        else:
            serial_driver()(frame)

    def sweep(self, unit: int) -> None:
        """Sweep over the parts, then join the reductions of all processes."""
        level, slots = level_of(unit), self.shared_slots
        self.part.tensor_rows[:, slots] = self.tensor_rows[:, slots]
        for whole, part in self.handed_down[level]:
            part[...] = whole
        self.launch_unit(unit)
        exchange = self.exchanges[level]
        if exchange.columns or exchange.vectors:
            self.join(exchange, self.joins[level])

    def join(self, exchange: Exchange, join: Join) -> None:
        """Join the results of a sweep, and write them into the tables of the whole tensors."""
        values = self.sums_of_parts(exchange.columns, join.monoids)
        vectors = [self.vectors_of_part(k, exchange.vectors) for k in range(len(self.sizes))]
        join(values, vectors, self.absent)
        for j, column in enumerate(exchange.columns):
            _, is_model, slot = self.reduces[column]
            if is_model:
                # In the order of the tensors, as without parts.
                self.model_rows[:, slot] = join.monoids[j].ufunc.accumulate(values[:, j])[-1]
            else:
                self.tensor_rows[:, slot] = values[:, j]
        for own, held in zip(vectors, self.memory.vectors, strict=True):
            for vector, array in zip(exchange.vectors, own, strict=True):
                # The next function of scalars joins the parts of each tensor: here, one.
                first = array.size if vector.in_parts else 0
                memory = held[vector.symbol.name].reshape(-1)
                memory[first : first + array.size] = array.reshape(-1)

    def sums_of_parts(self, columns: Sequence[int], monoids: Sequence[Monoid]) -> np.ndarray:
        """Return the reductions over the part of each tensor (tensors, columns), float64."""
        sums, bounds = self.tables[Frame.CHUNK_SUMS], self.tables[Frame.TENSOR_CHUNKS]
        pairs = zip(columns, monoids, strict=True)
        found = [sums_of_tensors(sums[:, column], bounds, monoid) for column, monoid in pairs]
        return np.stack(found, axis=1) if found else np.empty((len(self.sizes), 0))

    def vectors_of_part(self, k: int, vectors: Sequence[Vector]) -> list[np.ndarray]:
        """Return the axis arrays that the sweep over the part of a tensor has computed."""
        found: list[np.ndarray] = []
        shape = self.part.shapes[k]
        for vector in vectors:
            memory = self.memory.part_vectors[k][vector.symbol.name]
            if vector.in_parts:
                parts = self.part.parts_of(k)
                found.append(join_chunks(self.program.layout, vector, memory, shape, *parts))
            else:
                found.append(values_in(memory, vector, shape))
        return found

    def count_nonfinite_of_all(self) -> float:
        """Return how many gradient values of all processes are NaN or infinite."""
        self.launch_unit(CHECK)
        counts = self.sums_of_parts([0], [SUM])
        self.check_join(counts, [[] for _ in self.shards], self.absent)
        self.nonfinite = np.flatnonzero(counts[:, 0]).tolist()
        return float(counts.sum())

    def find_nonfinite(self, gradients: Sequence[Any]) -> list[int]:
        """Return the numbers of the tensors of which some process has such gradients."""
        del gradients
        return self.nonfinite
