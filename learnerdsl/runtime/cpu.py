"""The CPU backend: builds the tables of a program once and launches it over all tensors."""

import functools
import os
import threading
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numba
import numpy as np
from numba.core import config

from learnerdsl.codegen.cpu import print_finite_check
from learnerdsl.dtypes import NUMBER_TYPES
from learnerdsl.expr import CLOCK
from learnerdsl.ir import Block
from learnerdsl.pipeline import Program
from learnerdsl.runtime import cache
from learnerdsl.runtime.engine import Groups
from learnerdsl.runtime.launch import Frame, launch_parallel, launch_serial
from learnerdsl.runtime.memory import Arena, Gradient, address_of
from learnerdsl.runtime.sparse import chunks_of_rows
from learnerdsl.runtime.stepping import step_through

CHUNK = 4_096
"""Elements of a chunk. Reductions sum chunk by chunk, so this is part of their value's definition.
Larger chunks are no faster, and two threads cannot share a few of them evenly: 16,384 took 1.25
times as long for 100,000 elements."""

SPANS_PER_THREAD = 8
CHUNK_COST = 256
"""What starting a chunk costs, in elements; it balances the threads' shares of small tensors."""

PARALLEL_BYTES = 400_000
"""Memory traffic of an update from which on starting the threads pays, with OpenMP."""


_settings: Any = config
if "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
    # OpenMP first: it has the fastest launches, and torch's threads get on with it.
    _settings.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]

_one_launch = threading.Lock()


def launch_on_threads(frame: np.ndarray) -> float:
    """One parallel update at a time: a second one would wait for the same threads anyway.

    Not every threading layer survives launches from several Python threads at once.
    """
    with _one_launch:
        return launch_parallel(frame)


def threading_layer() -> str:
    """Which library runs Numba's threads: "omp", "tbb" or "workqueue".

    OpenMP starts a launch in about 3 microseconds, workqueue, the fallback, in about 110.
    """
    try:
        return numba.threading_layer()  # pyright: ignore[reportPrivateImportUsage]
    except ValueError:  # before the first parallel launch
        return "not started"


def load_kernels(program: Program) -> ModuleType:
    """The module with the compiled functions of a program."""
    return cache.load(f"{program.rule.name}-{program.dtype}", program.source)


def address_of_kernel(kernel: Any) -> int:
    """Where the machine code of a kernel is; 0 where compilation is disabled."""
    return getattr(kernel, "address", 0)


def bytes_per_element(passes: Sequence[Block], itemsize: int) -> int:
    """Memory traffic of all passes together: every load and every store of an array."""
    return itemsize * sum(len(block.loads) + len(block.stores) for block in passes)


class CpuEngine:
    """Runs a program over one list of parameter arrays; see `Engine`.

    Args:
        program: a compiled rule.
        parameters: arrays that are updated in place.
        groups: which group every parameter is in.
        check_finite: whether to refuse updates with gradients that are not finite.
        seed: of the random numbers of rules that draw some.
    """

    def __init__(
        self,
        program: Program,
        parameters: Sequence[np.ndarray],
        groups: Groups,
        check_finite: bool,
        seed: int,
    ) -> None:
        self.program = program
        layout = program.layout
        kind = NUMBER_TYPES[program.dtype]
        element_states = layout.element_states
        given = len(layout.arrays) - len(element_states)
        shapes = [p.shape for p in parameters]
        self.arena = Arena(shapes, kind, len(element_states), given)
        self.sizes = np.array([p.size for p in parameters], np.int64)
        self.model_rows = np.zeros((groups.count, len(layout.model)))
        self.tensor_rows = np.zeros((len(parameters), len(layout.tensor)))
        self.model_rows[:, 2] = 1.0
        self.set_seed(seed)
        self.tensor_rows[:, 1] = np.arange(len(parameters))
        self.clock = self.model_rows[:, :3]
        self.addresses = self.tabulate_addresses(parameters, len(element_states))
        self.states = self.view_states(element_states, len(parameters))
        names = {s.name: s for s in program.kernel.states if s in layout.model}
        self.model_states = {
            name: self.model_rows[:, layout.model.index(s)] for name, s in names.items()
        }
        self.widths = [p.size // max(1, p.shape[0]) if p.ndim else 1 for p in parameters]
        self.has_rows = False
        self.count_nonfinite: Any = None
        self.frame = self.build_frame(np.array(groups.of_parameters, np.int64), check_finite)
        self.use_chunks(tabulate_chunks(self.sizes))

    def set_seed(self, seed: int) -> None:
        """Draw the random numbers of this seed."""
        self.model_rows[:, 4] = seed

    def use_threads(self, is_parallel: bool) -> None:
        """Launch on all threads of Numba, or in the calling thread alone."""
        self.is_parallel = is_parallel and not _settings.DISABLE_JIT
        driver = launch_on_threads if is_parallel else launch_serial
        self.launch = functools.partial(driver, self.frame)
        if _settings.DISABLE_JIT:
            kernels = (load_kernels(self.program), self.program.levels, self.count_nonfinite)
            self.launch = functools.partial(step_through, self.tables, *kernels)

    @property
    def threads(self) -> str:
        """What runs the updates: "serial", or the number of threads and who provides them."""
        if not self.is_parallel:
            return "serial"
        return f"{numba.get_num_threads()} threads ({threading_layer()})"

    def tabulate_addresses(self, parameters: Sequence[np.ndarray], states: int) -> np.ndarray:
        """Address table: a row for each tensor; gradients are bound later."""
        given = len(self.program.layout.arrays) - states
        table = np.zeros((len(parameters), given + states), np.uint64)
        for k, parameter in enumerate(parameters):
            own = self.arena.arrays[k * states : (k + 1) * states]
            table[k, 0] = address_of(parameter)
            table[k, given:] = [address_of(state) for state in own]
        return table

    def view_states(
        self, element_states: Sequence[Any], tensors: int
    ) -> dict[str, list[np.ndarray]]:
        """The states of every tensor as arrays that updates write to."""
        count, slots = len(element_states), self.program.layout.tensor
        states = {
            s.name: [self.arena.arrays[k * count + j] for k in range(tensors)]
            for j, s in enumerate(element_states)
        }
        for symbol in self.program.kernel.states:
            if symbol in slots:
                column = self.tensor_rows[:, slots.index(symbol)]
                states[symbol.name] = [column[k : k + 1].reshape(()) for k in range(tensors)]
        return states

    def build_frame(self, groups: np.ndarray, check_finite: bool) -> np.ndarray:
        """All tables, and the array that tells a driver where they are."""
        self.tables: dict[Frame, np.ndarray] = {
            Frame.ADDRESSES: self.addresses,
            Frame.TENSOR_GROUPS: groups,
            Frame.MODEL_ROWS: self.model_rows,
            Frame.TENSOR_ROWS: self.tensor_rows,
            Frame.PROGRAM: self.tabulate_program(),
            Frame.REDUCE_TABLE: self.tabulate_reduces(),
        }
        frame = np.zeros(Frame.FIELDS, np.uint64)
        frame[Frame.TENSORS] = len(self.sizes)
        frame[Frame.GROUPS] = len(self.model_rows)
        frame[Frame.LEVELS] = len(self.program.levels)
        frame[Frame.ARRAYS] = self.addresses.shape[1]
        frame[Frame.MODEL_WIDTH] = self.model_rows.shape[1]
        frame[Frame.TENSOR_WIDTH] = self.tensor_rows.shape[1]
        frame[Frame.REDUCES] = max(1, len(self.program.layout.reduces))
        for field, table in self.tables.items():
            frame[field] = table.ctypes.data
        if check_finite:
            source = print_finite_check(self.program.dtype)
            check = cache.load(f"count_nonfinite-{self.program.dtype}", source)
            self.count_nonfinite = check.count_nonfinite
            frame[Frame.FINITE_PASS] = address_of_kernel(check.count_nonfinite)
        return frame

    def use_chunks(self, chunks: np.ndarray) -> None:
        """Launch over these chunks from now on, on as many threads as they are worth."""
        tensors = len(self.sizes)
        counted = np.bincount(chunks[:, 0], chunks[:, 3], tensors)
        spans = split_evenly(chunks[:, 3] + CHUNK_COST, SPANS_PER_THREAD * numba.get_num_threads())
        changed = {
            Frame.CHUNK_TABLE: chunks,
            Frame.SPAN_TABLE: spans,
            Frame.TENSOR_CHUNKS: np.searchsorted(chunks[:, 0], np.arange(tensors + 1)),
            Frame.CHUNK_SUMS: np.zeros((len(chunks), int(self.frame[Frame.REDUCES]))),
        }
        for field, table in changed.items():
            self.frame[field] = table.ctypes.data
        self.tables |= changed
        self.frame[Frame.CHUNKS] = len(chunks)
        self.frame[Frame.SPANS] = len(spans) - 1
        self.tensor_rows[:, 0] = counted
        self.model_rows[:, 3] = counted.sum()
        itemsize = NUMBER_TYPES[self.program.dtype].itemsize
        traffic = bytes_per_element(self.program.kernel.passes, itemsize) * counted.sum()
        self.use_threads(traffic >= PARALLEL_BYTES and numba.get_num_threads() > 1)

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Build chunks of these rows, beside the ordinary ones of the other tensors."""
        if not rows and not self.has_rows:
            return
        self.has_rows = bool(rows)
        chunks = tabulate_chunks(self.sizes)
        if rows:
            parts = [chunks[~np.isin(chunks[:, 0], list(rows))]]
            parts += [chunks_of_rows(k, r, self.widths[k], CHUNK) for k, r in rows.items()]
            chunks = np.concatenate(parts)
            chunks = np.ascontiguousarray(chunks[np.argsort(chunks[:, 0], kind="stable")])
        self.use_chunks(chunks)

    def tabulate_program(self) -> np.ndarray:
        """For each level: its functions, and the columns of the sums its pass leaves."""
        module = load_kernels(self.program)
        table = np.zeros((len(self.program.levels), 5), np.uint64)
        column = 0
        passes = [len(block.reduces) for block in self.program.kernel.passes]
        for k, functions in enumerate(self.program.levels):
            for j, name in enumerate((functions.model, functions.tensor, functions.element)):
                table[k, j] = address_of_kernel(getattr(module, name)) if name else 0
            count = passes[k] if k < len(passes) else 0
            table[k, 3:] = column, column + count
            column += count
        return table

    def tabulate_reduces(self) -> np.ndarray:
        """For each reduction: whether it is a maximum, over the model, and where it goes."""
        layout = self.program.layout
        table = np.zeros((max(1, len(layout.reduces)), 3), np.int64)
        for r, reduce in enumerate(layout.reduces):
            row = layout.model if reduce.over == "model" else layout.tensor
            table[r] = reduce.kind == "max", reduce.over == "model", row.index(reduce.symbol)
        return table

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Put the addresses into the table."""
        del arrays
        self.addresses[indices, column] = addresses

    def set_extra(self, name: str, value: float) -> None:
        """Put the value into every group's row."""
        slots = [symbol.name for symbol in self.program.layout.model]
        self.model_rows[:, slots.index(name)] = value

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Put the value into the group's row, behind the clock."""
        self.model_rows[group, len(CLOCK) + index] = value


def tabulate_chunks(sizes: np.ndarray) -> np.ndarray:
    """Chunk table of whole tensors: rows of (tensor, start, start in the gradient, count)."""
    counts = -(-sizes // CHUNK)
    first = np.cumsum(counts) - counts
    tensor = np.repeat(np.arange(len(sizes)), counts)
    start = (np.arange(len(tensor)) - first[tensor]) * CHUNK
    count = np.minimum(CHUNK, sizes[tensor] - start)
    return np.ascontiguousarray(np.stack([tensor, start, start, count], axis=1).astype(np.int64))


def split_evenly(costs: np.ndarray, parts: int) -> np.ndarray:
    """Bounds of at most `parts` runs of about equal cost."""
    total = np.concatenate([[0], np.cumsum(costs)])
    wanted = np.linspace(0, total[-1], min(parts, max(1, len(costs))) + 1)
    return np.unique(np.searchsorted(total, wanted)).astype(np.int64)
