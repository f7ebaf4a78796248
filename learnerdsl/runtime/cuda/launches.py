"""Plan the launches of an update: kernels with their arguments, unit by unit.

The units are those of the CPU's launcher: the check of gradients, then for each level its scalars
and its sweep. The unit of a sweep also combines the partial results of the sweep. Between the check
and the first scalars, the kernel `begin` counts the update.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learnerdsl.ir import Rank
from learnerdsl.kernels.cuda import THREADS
from learnerdsl.kernels.cuda_compile import CudaKernel
from learnerdsl.kernels.slots import MINIBATCH_SIZE
from learnerdsl.layout import Vector
from learnerdsl.runtime.cuda import builtin_kernels
from learnerdsl.runtime.cuda.device import Device, Launch, Words
from learnerdsl.runtime.tables.tables import Tables

FIRST_INPUT = MINIBATCH_SIZE
"""The first of the slots of a model row that the host sets."""


@dataclass
class DeviceTables:
    """The addresses of the tables of a program on a device, and `chunk_count`.

    Attributes:
        gate: address of a float64 that is not 0 if the update is refused; 0 if nothing is checked.
        found: address of a float64, the count of NaN and infinite values in these gradients.
    """

    addresses: int = 0
    model_rows: int = 0
    tensor_rows: int = 0
    groups: int = 0
    inputs: int = 0
    pending: int = 0
    reduces: int = 0
    partials: int = 0
    gate: int = 0
    found: int = 0
    chunks: int = 0
    bounds: int = 0
    sums: int = 0
    chunk_count: int = 0
    vectors: dict[int, tuple[int, int, int]] = field(
        default_factory=dict[int, tuple[int, int, int]]
    )
    """Level -> addresses of the table of axis arrays to join and of the tiles, number of tiles."""


Units = list[list[Launch]]


class Scheduler:
    """Plans the launches of an update.

    Args:
        tables: tables of the program on the host.
        module: the generated module.
        device: the device that runs it.
        places: addresses of the tables on the device.
        check: kernel that counts NaN and infinite gradient values, or None.
    """

    def __init__(
        self, tables: Tables, module: Any, device: Device, places: DeviceTables, check: Any
    ) -> None:
        self.tables = tables
        self.module = module
        self.device = device
        self.places = places
        self.check = check
        layout = tables.program.layout
        self.tensors = len(tables.sizes)
        self.group_count = len(tables.model_rows)
        self.reduce_count = max(1, len(layout.reduces))
        columns = len(layout.columns) + len(layout.companions)
        self.widths = (columns, len(layout.model), len(layout.tensor))

    def units(self) -> Units:
        """Return the launches of each unit."""
        units: Units = [self.check_unit(self.words_of_sweeps())]
        for level in range(len(self.tables.program.levels)):
            units += [self.scalars(level), self.sweep(level)]
        return units

    def words(self, addresses: int, tensor_rows: int) -> Words:
        """Return the arguments of a generated kernel, which uses these tables of the tensors."""
        at = self.places
        return Words(
            (
                *(addresses, at.model_rows, tensor_rows, at.groups, at.chunks, at.sums),
                *(at.gate, *self.widths, self.reduce_count),
                *(at.chunk_count, self.tensors, self.group_count),
            )
        )

    def words_of_scalars(self) -> Words:
        """Return the arguments of the kernels of scalars."""
        return self.words(self.places.addresses, self.places.tensor_rows)

    def words_of_sweeps(self) -> Words:
        """Return the arguments of the kernels that sweep over elements."""
        return self.words(self.places.addresses, self.places.tensor_rows)

    def scalars(self, level: int) -> list[Launch]:
        """Return the launches that compute the scalars of a level."""
        names = self.tables.program.levels[level]
        kernels = [getattr(self.module, name) for name in (names.model, names.tensor) if name]
        words = self.words_of_scalars()
        return [self.launch(kernel, self.blocks_of(kernel), words) for kernel in kernels]

    def sweep(self, level: int) -> list[Launch]:
        """Return the launches that sweep over the elements, if a level does, and those behind."""
        name = self.tables.program.levels[level].element
        if not name:
            return []
        words = self.words_of_sweeps()
        sweep = self.launch(getattr(self.module, name), self.places.chunk_count, words)
        return [sweep, *self.behind(level)]

    def launch(self, kernel: CudaKernel, blocks: int, words: Words) -> Launch:
        """Load a kernel; return a launch of it."""
        return Launch(kernel, self.device.load(kernel), blocks, words)

    def blocks_of(self, kernel: CudaKernel) -> int:
        """Return the number of blocks of a kernel of scalars."""
        if kernel.by == "group":
            return _ceiling(self.group_count)
        return self.tensors if kernel.by == "tensor" else _ceiling(self.tensors)

    def begin(self) -> Launch:
        """Return the launch of `begin`, which counts an update and copies the host's inputs."""
        at, model_width = self.places, self.widths[1]
        words = (at.inputs, at.pending, at.model_rows, at.gate, self.group_count, model_width)
        inputs = input_count(self.tables)
        return self.launch(
            builtin_kernels.begin, _ceiling(self.group_count), Words((*words, inputs))
        )

    def check_unit(self, words: Words) -> list[Launch]:
        """Return the launches that count NaN and infinite gradient values, if they are checked."""
        at = self.places
        if self.check is None:
            return []
        # The check runs with an open gate: the result of the previous one must not skip it.
        open_words = Words([*words.values[:6], 0, *words.values[7:]])
        counted = Words((at.sums, at.found, self.reduce_count, at.chunk_count))
        return [
            self.launch(self.check, at.chunk_count, open_words),
            self.launch(builtin_kernels.count_nonfinite, 1, counted),
        ]

    def behind(self, level: int) -> list[Launch]:
        """Return the launches after a sweep, which combine its partial results."""
        at, launches = self.places, list[Launch]()
        first, last = self.tables.reduce_columns[level]
        if first < last:
            columns = (self.reduce_count, first, last)
            words = (at.sums, at.bounds, at.reduces, at.tensor_rows, at.partials, at.gate)
            own = Words((*words, *columns, self.widths[2], self.tensors))
            launches.append(self.launch(builtin_kernels.combine, self.tensors, own))
        return [*launches, *self.behind_tensors(level), *self.joins(level)]

    def behind_tensors(self, level: int) -> list[Launch]:
        """Return the launch that reduces over the model what a sweep has of each tensor."""
        at = self.places
        first, last = self.tables.reduce_columns[level]
        if not self.tables.reduces[first:last, 1].any():
            return []
        columns = (self.reduce_count, first, last)
        words = (at.partials, at.reduces, at.model_rows, at.gate, *columns, self.widths[1])
        own = Words((*words, self.tensors, self.group_count))
        return [self.launch(builtin_kernels.combine_model, 1, own)]

    def joins(self, level: int) -> list[Launch]:
        """Return the launch that joins the axis arrays which a sweep leaves in parts."""
        at = self.places
        if level not in at.vectors:
            return []
        table, tiles, count = at.vectors[level]
        own = Words((table, tiles, count, at.gate))
        return [self.launch(builtin_kernels.join_parts, count, own)]


def input_count(tables: Tables) -> int:
    """Return the number of inputs from the host: minibatch size to the last scalar extra."""
    rule = tables.program.rule
    scalars = sum(extra.shape == "model" for extra in rule.extras)
    return tables.hyperparameter_slot(len(rule.hyperparameters)) + scalars - FIRST_INPUT


def tabulate_joins(
    tables: Tables, level: int, address_of: Callable[[int, Vector], int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return a table of the axis arrays that a sweep leaves in parts, and tiles of their values.

    Args:
        tables: tables of the program on the host.
        level: level of the sweep.
        address_of: returns the address of an axis array of the tensor with a number.
    """
    program = tables.program
    passes = program.kernel.passes
    reduces = passes[level].reduces if level < len(passes) else ()
    symbols = {r.symbol for r in reduces if program.kernel.domains[r.symbol].rank == Rank.VECTOR}
    vectors = [v for v in program.layout.vectors if v.symbol in symbols and v.in_parts]
    rows: list[tuple[int, ...]] = []
    tiles: list[tuple[int, int]] = []
    for vector in vectors:
        for tensor, shape in enumerate(tables.shapes):
            count = int(np.prod([shape[axis] for axis in vector.axes]))
            chunk_rows, parts = tables.parts_of(tensor)
            length = program.layout.length_of_part(vector, shape, chunk_rows)
            inner, one = _spans(tables, vector, shape, count)
            tiles += [(len(rows), k) for k in range(0, count, builtin_kernels.TILE)]
            at = address_of(tensor, vector)
            rows.append((at, count, parts, length, chunk_rows, inner, one, vector.monoid.code))
    return np.array(rows, np.int64).reshape(-1, builtin_kernels.PART_FIELDS), np.array(
        tiles, np.int64
    )


def _spans(tables: Tables, vector: Vector, shape: tuple[int, ...], count: int) -> tuple[int, int]:
    """Return the number of rows, and of values, for each index of an axis array's outer axes."""
    leading = tables.program.layout.leading
    if not vector.outer:
        return max(1, int(np.prod([shape[axis] for axis in leading]))), max(1, count)
    inner = np.prod([shape[axis] for axis in leading if axis not in vector.outer], dtype=np.int64)
    one = np.prod([shape[axis] for axis in vector.axes if axis not in vector.outer], dtype=np.int64)
    return max(1, int(inner)), max(1, int(one))


def _ceiling(count: int) -> int:
    """Return the number of blocks that have `count` threads."""
    return -(-count // THREADS)
