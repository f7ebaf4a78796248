"""The CPU backend: builds the tables of a program once and launches it over all tensors."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numba
import numpy as np

from learnerdsl.codegen.cpu import print_finite_check
from learnerdsl.dtypes import NUMBER_TYPES
from learnerdsl.ir import Block
from learnerdsl.pipeline import Program
from learnerdsl.runtime import cache
from learnerdsl.runtime.launch import Frame, launch_parallel, launch_serial
from learnerdsl.runtime.memory import Arena, address_of

CHUNK = 16_384
"""Elements of a chunk. Reductions sum chunk by chunk, so this is part of their value's definition;
1K to 64K elements were equally fast."""

SPANS_PER_THREAD = 8
CHUNK_COST = 256
"""What starting a chunk costs, in elements; it balances the threads' shares of small tensors."""

PARALLEL_BYTES = 400_000
"""Memory traffic of an update from which on starting the threads pays, with OpenMP."""


def load_kernels(program: Program) -> ModuleType:
    """The module with the compiled functions of a program."""
    return cache.load(f"{program.rule.name}-{program.dtype}", program.source)


def bytes_per_element(passes: Sequence[Block], itemsize: int) -> int:
    """Memory traffic of all passes together: every load and every store of an array."""
    return itemsize * sum(len(block.loads) + len(block.stores) for block in passes)


class CpuEngine:
    """Runs a program over one list of parameter arrays; see `Engine`.

    Args:
        program: a compiled rule.
        parameters: arrays that are updated in place.
        groups: for each parameter, the number of its group.
        check_finite: whether to refuse updates with gradients that are not finite.
    """

    def __init__(
        self,
        program: Program,
        parameters: Sequence[np.ndarray],
        groups: Sequence[int],
        check_finite: bool,
    ) -> None:
        self.program = program
        layout = program.layout
        kind = NUMBER_TYPES[program.dtype]
        element_states = layout.arrays[2:]
        shapes = [p.shape for p in parameters]
        self.arena = Arena(shapes, kind, len(element_states))
        self.sizes = np.array([p.size for p in parameters], np.int64)
        self.model_rows = np.zeros((max(groups) + 1, len(layout.model)))
        self.tensor_rows = np.zeros((len(parameters), len(layout.tensor)))
        self.model_rows[:, 2] = 1.0
        self.model_rows[:, 3] = self.sizes.sum()
        self.tensor_rows[:, 0] = self.sizes
        self.clock = self.model_rows[:, :3]
        self.addresses = self.tabulate_addresses(parameters, len(element_states))
        self.states = self.view_states(element_states, len(parameters))
        names = {s.name: s for s in program.kernel.states if s in layout.model}
        self.model_states = {
            name: self.model_rows[:, layout.model.index(s)] for name, s in names.items()
        }
        self.frame = self.build_frame(np.array(groups, np.int64), check_finite)
        traffic = bytes_per_element(program.kernel.passes, kind.itemsize) * int(self.sizes.sum())
        self.is_parallel = traffic >= PARALLEL_BYTES and numba.get_num_threads() > 1
        self.driver = launch_parallel if self.is_parallel else launch_serial

    def tabulate_addresses(self, parameters: Sequence[np.ndarray], states: int) -> np.ndarray:
        """Address table: a row for each tensor; gradients are bound later."""
        table = np.zeros((len(parameters), 2 + states), np.uint64)
        for k, parameter in enumerate(parameters):
            own = self.arena.arrays[k * states : (k + 1) * states]
            table[k, 0] = address_of(parameter)
            table[k, 2:] = [address_of(state) for state in own]
        return table

    def view_states(self, element_states: Sequence[Any], tensors: int) -> dict[str, list[np.ndarray]]:
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
        chunks, tensor_chunks = tabulate_chunks(self.sizes)
        spans = split_evenly(chunks[:, 3] + CHUNK_COST, SPANS_PER_THREAD * numba.get_num_threads())
        reduces = max(1, len(self.program.layout.reduces))
        self.tables: dict[Frame, np.ndarray] = {
            Frame.ADDRESSES: self.addresses,
            Frame.CHUNK_TABLE: chunks,
            Frame.SPAN_TABLE: spans,
            Frame.TENSOR_CHUNKS: tensor_chunks,
            Frame.TENSOR_GROUPS: groups,
            Frame.MODEL_ROWS: self.model_rows,
            Frame.TENSOR_ROWS: self.tensor_rows,
            Frame.CHUNK_SUMS: np.zeros((len(chunks), reduces)),
            Frame.PROGRAM: self.tabulate_program(),
            Frame.REDUCE_TABLE: self.tabulate_reduces(),
        }
        frame = np.zeros(Frame.FIELDS, np.uint64)
        frame[Frame.TENSORS] = len(self.sizes)
        frame[Frame.CHUNKS] = len(chunks)
        frame[Frame.GROUPS] = len(self.model_rows)
        frame[Frame.SPANS] = len(spans) - 1
        frame[Frame.LEVELS] = len(self.program.levels)
        frame[Frame.ARRAYS] = self.addresses.shape[1]
        frame[Frame.MODEL_WIDTH] = self.model_rows.shape[1]
        frame[Frame.TENSOR_WIDTH] = self.tensor_rows.shape[1]
        frame[Frame.REDUCES] = reduces
        for field, table in self.tables.items():
            frame[field] = table.ctypes.data
        if check_finite:
            check = cache.load(
                f"count_nonfinite-{self.program.dtype}", print_finite_check(self.program.dtype)
            )
            frame[Frame.FINITE_PASS] = check.count_nonfinite.address
        return frame

    def tabulate_program(self) -> np.ndarray:
        """For each level: its functions, and the columns of the sums its pass leaves."""
        module = load_kernels(self.program)
        table = np.zeros((len(self.program.levels), 5), np.uint64)
        column = 0
        passes = [len(block.reduces) for block in self.program.kernel.passes]
        for k, functions in enumerate(self.program.levels):
            for j, name in enumerate((functions.model, functions.tensor, functions.element)):
                table[k, j] = getattr(module, name).address if name else 0
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

    def bind(self, index: int, gradient: np.ndarray, address: int) -> None:
        """Put the address into the table."""
        del gradient
        self.addresses[index, 1] = address

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Put the value into the group's row, behind the clock."""
        self.model_rows[group, 4 + index] = value

    def launch(self) -> float:
        """One update of all tensors."""
        return self.driver(self.frame)


def tabulate_chunks(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chunk table (tensor, start, start in the gradient, count) and first chunk of each tensor."""
    counts = -(-sizes // CHUNK)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    tensor = np.repeat(np.arange(len(sizes)), counts)
    start = (np.arange(first[-1]) - first[tensor]) * CHUNK
    count = np.minimum(CHUNK, sizes[tensor] - start)
    table = np.stack([tensor, start, start, count], axis=1).astype(np.int64)
    return np.ascontiguousarray(table), first


def split_evenly(costs: np.ndarray, parts: int) -> np.ndarray:
    """Bounds of at most `parts` runs of about equal cost."""
    total = np.concatenate([[0], np.cumsum(costs)])
    wanted = np.linspace(0, total[-1], min(parts, max(1, len(costs))) + 1)
    return np.unique(np.searchsorted(total, wanted)).astype(np.int64)
