"""The CPU engine: builds the tables of a program once and launches it over all tensors."""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numba.core import config

from learnerdsl.codegen.source import Functions
from learnerdsl.kernels.slots import MODEL_SIZE, SEED, STEP
from learnerdsl.pipeline import Program, compile_check
from learnerdsl.runtime import cache
from learnerdsl.runtime.absent import Absences
from learnerdsl.runtime.arrays.host import Gradient
from learnerdsl.runtime.arrays.sparse import NO_ROWS
from learnerdsl.runtime.cpu import threads
from learnerdsl.runtime.cpu.launch import Frame, parallel_driver, serial_driver
from learnerdsl.runtime.cpu.matrix_stage import Stacks, host_matrices
from learnerdsl.runtime.cpu.memory import Memory
from learnerdsl.runtime.cpu.stepping import step_through
from learnerdsl.runtime.engine import HostStates, ReadsGradients
from learnerdsl.runtime.tables.chunks import split_evenly
from learnerdsl.runtime.tables.tables import bytes_per_element
from learnerdsl.runtime.tables.units import count_units, sweep_of
from learnerdsl.runtime.work import Work

_settings: Any = config

SPANS_PER_THREAD = 8
CHUNK_COST = 256
"""Cost of starting a chunk, in elements; it balances the threads' shares of small tensors."""

PARALLEL_BYTES = 400_000
"""Memory traffic of an update, in bytes, above which starting threads pays off with OpenMP."""


_NOBODY: frozenset[int] = frozenset()


def load_kernels(program: Program) -> ModuleType:
    """Return the module with the compiled functions of a program."""
    return cache.load(f"{program.rule.name}-{program.dtype}", program.source)


def address_of_kernel(kernel: Any) -> int:
    """Return the address of a kernel's machine code; 0 if compilation is disabled."""
    return getattr(kernel, "address", 0)


class CpuEngine(ReadsGradients, Absences, HostStates):
    """Runs a program over one list of parameter arrays; see `Engine`.

    Args:
        program: the compiled rule of all tensors.
        work: the tensors.
        parameters: their arrays, to update in place.
    """

    def __init__(self, program: Program, work: Work, parameters: Sequence[np.ndarray]) -> None:
        super().__init__(program, work)
        self.module = load_kernels(program)
        self.uses_matrices = any(functions.matrix for functions in program.levels)
        self.memory = self.make_memory(parameters)
        self.traffic = bytes_per_element(program)
        self.own_threads = 0
        self.host = host_matrices(program)
        self.stacks = Stacks(program, self.memory, work.shapes)
        self.gradient_kind = program.precision.gradient
        self.left_out: frozenset[int] | None = _NOBODY
        self.count_nonfinite: Any = None
        self.begin_absences(self.memory.vectors, {symbol.name for symbol in program.kernel.states})
        self.frame = self.build_frame()
        self.is_checking = work.check_finite
        if self.is_checking:
            self.load_check()
        self.take_model_rows()
        threads.follow(self)
        self.use_chunks(self.chunks_of({}))

    def make_memory(self, parameters: Sequence[np.ndarray]) -> Memory:
        """Allocate the arrays besides those of the caller."""
        return Memory(self, parameters)

    @property
    def clock(self) -> np.ndarray:
        """Step count, samples seen and minibatch size in every model row (rows, 3), float64."""
        return self.model_rows[:, :3]

    @property
    def step_count(self) -> int:
        """The number of updates done."""
        return int(self.model_rows[0, STEP])

    @property
    def model_states(self) -> dict[str, np.ndarray]:
        """The model-wide states: name -> its value in every model row (rows,), float64."""
        model = self.program.layout.model
        own = [symbol for symbol in self.program.kernel.states if symbol in model]
        return {symbol.name: self.model_rows[:, model.index(symbol)] for symbol in own}

    def take_model_rows(self) -> None:
        """Use `model_rows` after it was replaced by a longer array."""
        self.tables[Frame.MODEL_ROWS] = self.model_rows
        self.frame[Frame.MODEL_ROWS] = self.model_rows.ctypes.data
        self.frame[Frame.GROUPS] = len(self.model_rows)

    @property
    def states(self) -> dict[str, list[np.ndarray]]:
        """The states: name -> one array for each tensor; see `Memory.states`."""
        if not self.is_settled:
            self.settle()
        return self.memory.states

    def set_seed(self, seed: int) -> None:
        """Set the seed of the random numbers."""
        self.model_rows[:, SEED] = seed

    def set_model_size(self, value: float) -> None:
        """Set the number of elements of the model, if other engines hold some of them."""
        self.model_rows[:, MODEL_SIZE] = value

    def use_threads(self, is_parallel: bool) -> None:
        """Launch on Numba's threads, or in the calling thread alone."""
        self.is_parallel = is_parallel and not (_settings.DISABLE_JIT or threads.are_lost())
        self.frame[Frame.THREADS] = threads.wanted(self.own_threads)
        if _settings.DISABLE_JIT:
            kernels = (self.module, self.program.levels, self.count_nonfinite)
            launch = functools.partial(self.step, *kernels)
        elif self.is_parallel:
            launch = functools.partial(threads.launch_on_threads, parallel_driver(), self.frame)
        else:
            launch = functools.partial(serial_driver(), self.frame)
        self.has_chosen = True
        self.launch_by(launch)

    def launch_by(self, launch: Callable[[], float]) -> None:
        """Use this function to run the units that the frame names."""
        self.launch_units = launch
        self.launch = functools.partial(self.run, 0, self.units) if self.uses_matrices else launch

    def choose_threads(self) -> None:
        """Use threads if there are several and the update moves enough memory."""
        choices = threads.choices()
        self.use_threads(self.is_worth_threads and threads.count_for(self.own_threads) > 1)
        if choices != threads.choices():
            self.choose_threads_later()

    def use_num_threads(self, count: int) -> None:
        """Use at most so many threads from the next launch on; 0 to follow `set_num_threads`."""
        self.own_threads = count
        self.choose_threads_later()

    def choose_threads_later(self) -> None:
        """Choose the threads again at the next launch."""
        self.has_chosen = False
        self.launch_by(self.choose_and_launch)

    def choose_and_launch(self) -> float:
        """Choose the threads, then run the units that the frame names."""
        self.choose_threads()
        return self.launch_units()

    @property
    def units(self) -> int:
        """The number of units of an update; see `runtime/tables/units.py`."""
        return count_units(len(self.program.levels))

    def step(self, module: ModuleType, levels: Sequence[Functions], finite: Any) -> float:
        """Run the units that the frame names, in Python."""
        units = range(int(self.frame[Frame.FIRST_UNIT]), int(self.frame[Frame.LAST_UNIT]))
        return step_through(self.tables, module, levels, finite, units)

    def run(self, first: int, last: int) -> float:
        """Run the units from `first` up to `last`, and the matrix functions between them."""
        for start, stop, name in self.stretches(first, last):
            self.frame[Frame.FIRST_UNIT], self.frame[Frame.LAST_UNIT] = start, stop
            refused = self.launch_units()
            if refused:
                return refused
            if name:
                function = self.matrix_function(name)
                absent = set(self.aside.absent) if self.aside else set()
                with np.errstate(all="ignore"):
                    done = absent | self.stacks.run(function, absent)
                for k, group in enumerate(self.groups):
                    if k in done:
                        continue
                    with np.errstate(all="ignore"):
                        matrices = self.memory.decode_for_matrices(k)
                        function(matrices, self.model_rows[group], self.tensor_rows[k])
        return 0.0

    def matrix_function(self, name: str) -> Callable[..., Any]:
        """Return a function of whole matrices, of (arrays, model row, tensor row)."""
        function = getattr(self.module, name)
        return function if self.host is None else functools.partial(self.host.run, function)

    def stretches(self, first: int, last: int) -> list[tuple[int, int, str]]:
        """Return (first unit, end, name of the matrix function that follows or "") per launch."""
        found: list[tuple[int, int, str]] = []
        for level, functions in enumerate(self.program.levels):
            # Matrix functions run between the scalars of a level and its sweep.
            sweep = sweep_of(level)
            if functions.matrix and first < sweep <= last:
                found.append((first, sweep, functions.matrix))
                first = sweep
        return [*found, (first, last, "")]

    @property
    def threads(self) -> str:
        """What runs the updates: "serial", or the number of threads and their library."""
        if not self.has_chosen:
            self.choose_threads()
        if not self.is_parallel:
            return "serial"
        return f"{threads.count_for(self.own_threads)} threads ({threads.threading_layer()})"

    def build_frame(self) -> np.ndarray:
        """Build the tables, and the frame that holds their addresses for the drivers."""
        self.tables: dict[Frame, np.ndarray] = {
            Frame.ADDRESSES: self.memory.addresses,
            Frame.TENSOR_GROUPS: self.groups,
            Frame.TENSOR_ROWS: self.tensor_rows,
            Frame.PROGRAM: self.tabulate_program(),
            Frame.REDUCE_TABLE: self.reduces,
        }
        frame = np.zeros(Frame.FIELDS, np.uint64)
        frame[Frame.TENSORS] = len(self.sizes)
        frame[Frame.LEVELS] = len(self.program.levels)
        frame[Frame.ARRAYS] = self.memory.addresses.shape[1]
        frame[Frame.MODEL_WIDTH] = self.model_rows.shape[1]
        frame[Frame.TENSOR_WIDTH] = self.tensor_rows.shape[1]
        frame[Frame.REDUCES] = max(1, len(self.program.layout.reduces))
        frame[Frame.LAST_UNIT] = self.units
        for field, table in self.tables.items():
            frame[field] = table.ctypes.data
        return frame

    def load_check(self) -> None:
        """Load the sweep that looks for NaN and infinite gradients, for their number type."""
        dtype = self.program.precision.gradient
        check = cache.load(f"count_nonfinite-{dtype}", compile_check(dtype, "cpu"))
        self.count_nonfinite = check.count_nonfinite
        self.frame[Frame.FINITE_PASS] = address_of_kernel(check.count_nonfinite)

    def use_program(self, program: Program) -> None:
        """Run another program with the same tables: one for another number type of gradients."""
        self.module = load_kernels(program)
        self.program = program
        table = self.tabulate_program()
        self.tables[Frame.PROGRAM] = table
        self.frame[Frame.PROGRAM] = table.ctypes.data
        self.memory.use_program(program)
        self.traffic = bytes_per_element(program)
        if self.is_checking:
            self.load_check()
        self.choose_threads()

    def borrow_states(self, lender: Any) -> None:
        """Keep the states in the memory of another engine of the same tensors."""
        self.borrow([lender.holder(k) for k in range(len(self.sizes))])

    def holder(self, tensor: int) -> tuple["CpuEngine", int]:
        """Return the engine that has the states of a tensor, and the number of the tensor in it."""
        return self, tensor

    def borrow(self, holders: Sequence[tuple["CpuEngine", int]]) -> None:
        """Keep the states of each tensor in the memory of another engine."""
        for k, (engine, number) in enumerate(holders):
            self.memory.borrow(k, engine.memory, number)
        self.memory.own_states = self.memory.view_states()
        self.begin_absences(self.memory.vectors, {s.name for s in self.program.kernel.states})

    def use_chunks(self, chunks: np.ndarray) -> None:
        """Use these chunks from now on, and choose threads for their memory traffic."""
        counted = self.count(chunks)
        parts = SPANS_PER_THREAD * _settings.NUMBA_NUM_THREADS
        spans = split_evenly(chunks[:, 3] + CHUNK_COST, parts)
        changed = {
            Frame.CHUNK_TABLE: chunks,
            Frame.SPAN_TABLE: spans,
            Frame.TENSOR_CHUNKS: self.bounds_of(chunks),
            Frame.CHUNK_SUMS: np.zeros((len(chunks), int(self.frame[Frame.REDUCES]))),
        }
        self.tables |= changed  # keeps them alive before the frame refers to them
        for field, table in changed.items():
            self.frame[field] = table.ctypes.data
        self.frame[Frame.CHUNKS] = len(chunks)
        self.frame[Frame.SPANS] = len(spans) - 1
        self.is_worth_threads = self.traffic * counted.sum() >= PARALLEL_BYTES
        self.choose_threads()

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Build chunks of these rows, and the usual chunks of all other tensors."""
        if not self.is_settled:
            self.settle()
        if not rows and self.left_out == _NOBODY:
            return
        # The chunks can be kept only if no tensor has some of its rows selected, since these rows
        # usually change with every update.
        left_out = frozenset(k for k, own in rows.items() if own is NO_ROWS)
        if len(left_out) < len(rows) or left_out != self.left_out:
            self.left_out = None  # unknown, if an exception comes in between
            self.use_chunks(self.chunks_of(rows))
            self.left_out = left_out if len(left_out) == len(rows) else None

    def set_clock(self, step_count: int, samples: float) -> None:
        """Set the number of updates of all tensors and the number of samples seen."""
        self.put_back()
        super().set_clock(step_count, samples)
        self.missed[:] = 0

    def tabulate_program(self) -> np.ndarray:
        """Return the functions and the sums' columns of each level (levels, 5), uint64."""
        table = np.zeros((len(self.program.levels), 5), np.uint64)
        for k, functions in enumerate(self.program.levels):
            for j, name in enumerate((functions.model, functions.tensor, functions.element)):
                table[k, j] = address_of_kernel(getattr(self.module, name)) if name else 0
            table[k, 3:] = self.reduce_columns[k]
        return table

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Write the addresses into the table."""
        self.memory.addresses[indices, column] = addresses
        if self.uses_matrices:
            self.memory.bind(self.program.layout.arrays[column].name, indices, arrays)

    @property
    def takes_addresses(self) -> bool:
        """Whether only kernels read gradients; functions of matrices need arrays."""
        return not self.uses_matrices

    def bind_addresses(self, addresses: np.ndarray) -> None:
        """Write the addresses of the gradients into the table."""
        self.memory.addresses[:, 1] = addresses

    def set_extra(self, name: str, value: float) -> None:
        """Write the value into every model row."""
        self.model_rows[:, self.extra_slot(name)] = value

    def set_value(self, name: str, tensor: int, value: Any) -> None:
        """Write the value into the tensor's row, or into an array of the engine."""
        slot = self.value_slot(name)
        if slot is None:
            memory = self.memory
            places = (memory.vectors[tensor], memory.held[tensor], memory.matrices[tensor])
            next(own for own in places if name in own)[name][...] = value
        else:
            self.tensor_rows[tensor, slot] = value

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Write the value into the model rows of the group."""
        self.model_rows[self.rows_of(group), self.hyperparameter_slot(index)] = value
