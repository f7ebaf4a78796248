"""The CPU engine: builds the tables of a program once and launches it over all tensors."""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numba.core import config

from learnerdsl.codegen.source import Functions
from learnerdsl.dtypes import NUMBER_TYPES
from learnerdsl.expr import MatrixState, RingState
from learnerdsl.ir import Rank
from learnerdsl.kernels.slots import MODEL_SIZE, SEED, STEP
from learnerdsl.pipeline import Program, compile_check
from learnerdsl.runtime import cache
from learnerdsl.runtime.absent import Absences
from learnerdsl.runtime.arrays.host import Arena, Gradient, address_of
from learnerdsl.runtime.arrays.sparse import NO_ROWS, values_of
from learnerdsl.runtime.cpu import threads
from learnerdsl.runtime.cpu.launch import Frame, parallel_driver, serial_driver
from learnerdsl.runtime.cpu.stepping import step_through
from learnerdsl.runtime.engine import HostStates
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


class CpuEngine(Absences, HostStates):
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
        layout = program.layout
        element_states = layout.element_states
        own = (*element_states, *program.kernel.temporaries)
        given = len(layout.arrays) - len(own)
        self.arena = Arena(self.shapes, NUMBER_TYPES[program.dtype], len(own), given)
        self.vectors = [self.make_vectors(k) for k in range(len(parameters))]
        self.matrices = [self.gather_matrices(k, p, own) for k, p in enumerate(parameters)]
        self.addresses = self.tabulate_addresses(parameters, len(own))
        self.own_states = self.view_states(element_states, len(parameters))
        self.rings = [s for s in element_states if isinstance(s, RingState)]
        self.left_out: frozenset[int] | None = _NOBODY
        self.count_nonfinite: Any = None
        self.begin_absences(self.vectors, {symbol.name for symbol in program.kernel.states})
        self.frame = self.build_frame(work.check_finite)
        self.take_model_rows()
        threads.follow(self)
        self.use_chunks(self.chunks_of({}))

    @property
    def clock(self) -> np.ndarray:
        """Step count, samples seen and minibatch size in every model row (rows, 3), float64."""
        return self.model_rows[:, :3]

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

    def make_vectors(self, k: int) -> dict[str, np.ndarray]:
        """Allocate the axis arrays of a tensor, each with its parts: name -> array."""
        own = NUMBER_TYPES[self.program.dtype].numpy
        return {
            v.symbol.name: np.full(
                self.shape_of_vector(v, k), v.monoid.identity, np.float64 if v.is_wide else own
            )
            for v in self.program.layout.vectors
        }

    def gather_matrices(
        self, k: int, parameter: np.ndarray, own: Sequence[Any]
    ) -> dict[str, np.ndarray]:
        """Map names to the arrays of matrix functions, except gradients, which `bind` adds."""
        kernel = self.program.kernel
        arrays = self.arena.arrays[k * len(own) : (k + 1) * len(own)]
        found = {symbol.name: array for symbol, array in zip(own, arrays, strict=True)}
        found[kernel.parameter.name] = parameter
        for symbol in kernel.states:
            if isinstance(symbol, MatrixState):
                shape = symbol.array_shape(parameter.shape)
                found[symbol.name] = np.zeros(shape, parameter.dtype)
        return found

    @property
    def states(self) -> dict[str, list[np.ndarray]]:
        """The states: name -> one array for each tensor.

        The values of a ring stay in place while their ages change, so the names of its arrays
        rotate with the step.
        """
        if not self.is_settled:
            self.settle()
        states = dict(self.own_states)
        steps = self.model_rows[self.groups, STEP].astype(np.int64)
        for symbol in self.rings:
            base = self.rings.index(symbol) + 1 - symbol.lag
            slots = (steps + 1 - symbol.lag) % symbol.length
            states[symbol.name] = [
                self.own_states[self.rings[base + slot].name][k] for k, slot in enumerate(slots)
            ]
        return states

    def set_seed(self, seed: int) -> None:
        """Set the seed of the random numbers."""
        self.model_rows[:, SEED] = seed

    def set_model_size(self, value: float) -> None:
        """Set the number of elements of the model, if other engines hold some of them."""
        self.model_rows[:, MODEL_SIZE] = value

    def use_threads(self, is_parallel: bool) -> None:
        """Launch on Numba's threads, or in the calling thread alone."""
        self.is_parallel = is_parallel and not (_settings.DISABLE_JIT or threads.are_lost())
        self.frame[Frame.THREADS] = threads.wanted()
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
        self.use_threads(self.is_worth_threads and threads.get_num_threads() > 1)
        if choices != threads.choices():
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
                function = getattr(self.module, name)
                absent = set(self.aside.absent) if self.aside else ()
                for k, matrices in enumerate(self.matrices):
                    if k in absent:
                        continue
                    model = self.model_rows[self.groups[k]]
                    with np.errstate(all="ignore"):
                        function(matrices, model, self.tensor_rows[k])
        return 0.0

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
        return f"{threads.get_num_threads()} threads ({threads.threading_layer()})"

    def tabulate_addresses(self, parameters: Sequence[np.ndarray], states: int) -> np.ndarray:
        """Return the address table (tensors, columns), uint64; `bind` fills in the gradients."""
        layout = self.program.layout
        given = len(layout.arrays) - states
        table = np.zeros((len(parameters), len(layout.columns)), np.uint64)
        for k, parameter in enumerate(parameters):
            own = self.arena.arrays[k * states : (k + 1) * states]
            table[k, 0] = address_of(parameter)
            own += list(self.vectors[k].values())
            table[k, given:] = [address_of(state) for state in own]
        return table

    def view_states(
        self, element_states: Sequence[Any], tensors: int
    ) -> dict[str, list[np.ndarray]]:
        """Return views of the states: name -> one array for each tensor."""
        slots = self.program.layout.tensor
        states = {
            s.name: [self.matrices[k][s.name] for k in range(tensors)] for s in element_states
        }
        for symbol in self.program.kernel.states:
            rank = self.program.kernel.domains[symbol].rank
            if rank in (Rank.VECTOR, Rank.MATRIX):
                held = self.vectors if rank == Rank.VECTOR else self.matrices
                states[symbol.name] = [held[k][symbol.name] for k in range(tensors)]
            if symbol in slots:
                column = self.tensor_rows[:, slots.index(symbol)]
                states[symbol.name] = [column[k : k + 1].reshape(()) for k in range(tensors)]
        declared = (symbol.name for symbol in self.program.kernel.states)
        return {name: states[name] for name in declared if name in states}

    def build_frame(self, check_finite: bool) -> np.ndarray:
        """Build the tables, and the frame that holds their addresses for the drivers."""
        self.tables: dict[Frame, np.ndarray] = {
            Frame.ADDRESSES: self.addresses,
            Frame.TENSOR_GROUPS: self.groups,
            Frame.TENSOR_ROWS: self.tensor_rows,
            Frame.PROGRAM: self.tabulate_program(),
            Frame.REDUCE_TABLE: self.reduces,
        }
        frame = np.zeros(Frame.FIELDS, np.uint64)
        frame[Frame.TENSORS] = len(self.sizes)
        frame[Frame.LEVELS] = len(self.program.levels)
        frame[Frame.ARRAYS] = self.addresses.shape[1]
        frame[Frame.MODEL_WIDTH] = self.model_rows.shape[1]
        frame[Frame.TENSOR_WIDTH] = self.tensor_rows.shape[1]
        frame[Frame.REDUCES] = max(1, len(self.program.layout.reduces))
        frame[Frame.LAST_UNIT] = self.units
        for field, table in self.tables.items():
            frame[field] = table.ctypes.data
        if check_finite:
            source = compile_check(self.program.dtype, "cpu")
            check = cache.load(f"count_nonfinite-{self.program.dtype}", source)
            self.count_nonfinite = check.count_nonfinite
            frame[Frame.FINITE_PASS] = address_of_kernel(check.count_nonfinite)
        return frame

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
        itemsize = NUMBER_TYPES[self.program.dtype].itemsize
        traffic = bytes_per_element(self.program.kernel.passes, itemsize) * counted.sum()
        self.is_worth_threads = traffic >= PARALLEL_BYTES
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
        self.addresses[indices, column] = addresses
        if self.uses_matrices:
            name = self.program.layout.arrays[column].name
            for index, array in zip(indices, arrays, strict=True):
                self.matrices[index][name] = values_of(array)

    def set_extra(self, name: str, value: float) -> None:
        """Write the value into every model row."""
        self.model_rows[:, self.extra_slot(name)] = value

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Write the value into the model rows of the group."""
        self.model_rows[self.rows_of(group), self.hyperparameter_slot(index)] = value
