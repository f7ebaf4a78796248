"""The CUDA engine: runs a program on arrays of a device."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.kernels.cuda import THREADS
from learnerdsl.kernels.slots import MINIBATCH_SIZE, MODEL_SIZE, SEED, TENSOR_SIZE
from learnerdsl.pipeline import Program, compile_check
from learnerdsl.runtime import cache
from learnerdsl.runtime.arrays.device import Place
from learnerdsl.runtime.arrays.host import Gradient
from learnerdsl.runtime.cuda import builtin_kernels
from learnerdsl.runtime.cuda.device import Device, DeviceView, Launch, Words
from learnerdsl.runtime.cuda.launches import FIRST_INPUT, Scheduler
from learnerdsl.runtime.cuda.matrix_stage import MatrixStage
from learnerdsl.runtime.cuda.states import Allocate, DeviceStates
from learnerdsl.runtime.engine import Outcome, ReadsGradients
from learnerdsl.runtime.tables.units import scalars_of
from learnerdsl.runtime.work import Work


def load_kernels(program: Program) -> ModuleType:
    """Return the module with the kernels of a program."""
    return cache.load(f"{program.rule.name}-{program.dtype}-cuda", program.source)


OUTCOMES = 256
"""Number of later updates after which the outcome of an update is no longer known."""


class CudaEngine(ReadsGradients, DeviceStates):
    """Runs a program over one list of parameter arrays on a device; see `Engine`.

    Scalars live on the device, which also counts the steps. The host sends the scalars that it sets
    (minibatch size, seed, hyperparameters, scalar extras) when they have changed.

    Args:
        program: the compiled rule of all tensors.
        work: the tensors.
        parameters: places of their arrays, to update in place.
        device: the device that the arrays are on.
        stream: returns the current stream.
        allocate: makes the arrays of states; None to put them into memory of the driver.
    """

    def __init__(
        self,
        program: Program,
        work: Work,
        parameters: Sequence[Place],
        device: Device,
        stream: Callable[[], int],
        allocate: Allocate | None = None,
    ) -> None:
        super().__init__(program, work, parameters, device, stream, allocate)
        self.gradient_kind = program.precision.gradient
        self.load(program)
        self.matrix_stages = {
            scalars_of(level): self.make_stage(level)
            for level, names in enumerate(program.levels)
            if names.matrix
        }
        self.outcomes = self.keep(np.zeros(OUTCOMES)) if work.check_finite else 0
        self.inputs_changed = self.addresses_changed = False
        self.unsent: set[str] = set()
        self.values: dict[tuple[str, int], np.ndarray] = {}
        self.sent = self.inputs.copy()
        self.spare: Any = None
        self.has_rows: bool | None = False
        self.has_run = False
        self.rooms: dict[str, tuple[int, Any]] = {}
        self.launches = 0
        self.use_chunks(self.chunks_of({}))
        with device.activate():
            # The first update may use another stream than the one that the tables were sent on.
            device.synchronize()

    def make_stage(self, level: int) -> MatrixStage:
        """Return what runs the functions of matrices of a level."""
        return MatrixStage(self, level)

    def use_library(self, namespace: Any, parameters: Sequence[Any]) -> None:
        """Run matrix functions with this library, on these arrays of any library."""
        earlier: list[MatrixStage] = []
        for stage in self.matrix_stages.values():
            stage.prepare(namespace, parameters, earlier)
            earlier.append(stage)

    def load(self, program: Program) -> None:
        """Load the kernels of a program, and the check of gradients of their number type."""
        self.module = load_kernels(program)
        check = None
        if self.check_finite:
            dtype = program.precision.gradient
            source = compile_check(dtype, "cuda")
            check = cache.load(f"count_nonfinite-{dtype}-cuda", source).count_nonfinite
        self.scheduler = self.make_scheduler(check)

    def make_scheduler(self, check: Any) -> Scheduler:
        """Return what plans the launches; `check` is the kernel that checks gradients, or None."""
        return Scheduler(self, self.module, self.device, self.at, check)

    def use_program(self, program: Program) -> None:
        """Run another program with the same tables: one for another number type of gradients."""
        self.program = program
        self.load(program)
        for stage in self.matrix_stages.values():
            stage.use_program()
        self.plan_launches()

    def decoded_operand(self, k: int, name: str, shape: tuple[int, ...], dtype: Any) -> DeviceView:
        """Return the array for the decoded values of a narrow operand of matrix functions."""
        nbytes = math.prod(shape) * dtype.itemsize
        address = self._room(f"{k} {name}", nbytes)
        return DeviceView(self.device, self, address, shape, dtype)

    def addresses_of(self, k: int, symbol: Any, column: int) -> tuple[int, int]:
        """Return the addresses of an array of tensor `k` and of its second array, or 0."""
        own, layout = self.addresses[k], self.program.layout
        source, second = int(own[column]), 0
        if any(companion.symbol == symbol for companion in layout.companions):
            second = int(own[layout.companion_column(symbol)])
        is_whole = symbol == self.program.kernel.parameter
        if is_whole and self.program.precision.master == "float32":
            return second, 0  # only the whole weight is read
        return source, second

    def use_chunks(self, chunks: np.ndarray) -> None:
        """Use these chunks from now on."""
        before = self.tensor_rows[:, TENSOR_SIZE].copy()
        self.count(chunks)
        self.inputs[:, MODEL_SIZE - FIRST_INPUT] = self.model_rows[:, MODEL_SIZE]
        self.inputs_changed = True
        at = self.at
        at.chunks = self._room("chunks", chunks.nbytes)
        at.bounds = self._room("bounds", 8 * (len(self.sizes) + 1))
        at.sums = self._room("sums", 8 * len(chunks) * len(self.reduces))
        at.chunk_count = len(chunks)
        with self.device.activate():
            stream = self.stream()
            self.device.upload(at.chunks, chunks, stream)
            bounds = np.ascontiguousarray(self.bounds_of(chunks), np.int64)
            self.device.upload(at.bounds, bounds, stream)
            if not np.array_equal(before, self.tensor_rows[:, TENSOR_SIZE]):
                self._put_column(TENSOR_SIZE, stream)
        self.plan_launches()

    def plan_launches(self) -> None:
        """Plan the launches of an update with the current addresses of the tables."""
        self.plan = self.scheduler.units()
        self.begin = self.scheduler.begin()

    def guard(self, gate: Any = None) -> Any:
        """Refuse updates from now on unless a float64 on the device is 0.

        The engine must have states that `allocate` has made.

        Args:
            gate: that of another engine; None to make one.

        Returns:
            The gate (1,), an array of the library that allocated the states.
        """
        if self.guarded is None:
            allocate: Any = self.allocate
            self.guarded = allocate((1,), np.dtype(np.float64)) if gate is None else gate
            self.at.gate = self.guarded.data_ptr()
            self.plan_launches()
        return self.guarded

    def _room(self, name: str, nbytes: int) -> int:
        """Return the address of a buffer, which is reused if it is large enough."""
        room, memory = self.rooms.get(name, (-1, None))
        if room < nbytes:
            room, memory = nbytes, self.device.allocate(nbytes)
            self.rooms[name] = room, memory
        return memory.address

    def _put_column(self, slot: int, stream: int) -> None:
        """Write a slot of all tensor rows, such as the sizes, into the rows on the device."""
        values = np.ascontiguousarray(self.tensor_rows[:, slot])
        address = self._room(f"slot {slot}", values.nbytes)
        self.device.upload(address, values, stream)
        width, count = self.tensor_rows.shape[1], len(values)
        words = Words((address, self.at.tensor_rows, width, slot, count))
        kernel = builtin_kernels.put_column
        launch = Launch(kernel, self.device.load(kernel), -(-count // THREADS), words)
        self.device.launch(launch, stream)

    @property
    def lends_states(self) -> bool:
        """Whether another engine can keep the states of its tensors in the memory of this one."""
        return super().lends_states and not self.matrix_stages

    def borrow(self, holders: Sequence[Any]) -> None:
        """Keep the states of each tensor in the memory of another engine.

        Raises:
            LearnerError: the rule has functions of matrices, which have arrays of their own.
        """
        if self.matrix_stages:
            msg = (
                f"Updates of {self.program.rule.name} cannot be undone on a GPU, as it has "
                "functions of matrices. Keep a copy instead: put_back = learner.snapshot() before "
                "the update."
            )
            raise LearnerError(msg)
        super().borrow(holders)
        self.addresses_changed = True

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Build chunks of these rows, and the usual chunks of all other tensors."""
        if rows or self.has_rows is not False:
            self.has_rows = None  # unknown, if an exception comes in between
            self.use_chunks(self.chunks_of(rows))
            self.has_rows = bool(rows)

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Write the addresses into the table, which is sent if one has changed."""
        for stage in self.matrix_stages.values():
            stage.bind(self.program.layout.arrays[column].name, indices, arrays)
        new = np.asarray(addresses, np.int64)
        if not np.array_equal(self.addresses[indices, column], new):
            self.addresses_changed = True
            self.addresses[indices, column] = new

    @property
    def takes_addresses(self) -> bool:
        """Whether only kernels read gradients; functions of matrices need arrays."""
        return not self.matrix_stages

    def bind_addresses(self, addresses: np.ndarray) -> None:
        """Use the gradients at these addresses; see `Engine.bind`."""
        new = addresses.astype(np.int64)
        if not np.array_equal(self.addresses[:, 1], new):
            self.addresses_changed = True
            self.addresses[:, 1] = new

    def _set_input(self, group: int | slice, slot: int, value: float) -> None:
        if np.any(self.inputs[group, slot - FIRST_INPUT] != value):
            self.inputs_changed = True
            self.inputs[group, slot - FIRST_INPUT] = value

    def set_extra(self, name: str, value: float) -> None:
        """Set the value of a scalar extra."""
        self._set_input(slice(None), self.extra_slot(name), value)

    def set_value(self, name: str, tensor: int, value: Any) -> None:
        """Keep a number or an array of a tensor, which is sent if it has changed."""
        own = np.array(value, np.float64)
        if not np.array_equal(self.values.get((name, tensor), ()), own):
            self.unsent.add(name)
            self.values[name, tensor] = own

    def _put_values(self, stream: int) -> None:
        """Send the changed extras of tensors to their places on the device."""
        for name in self.unsent:
            slot = self.value_slot(name)
            for k, value in ((k, v) for (n, k), v in self.values.items() if n == name):
                if slot is None:
                    address, _, kind = self.places[k][name]
                    self.device.upload(address, np.ascontiguousarray(value, kind), stream)
                else:
                    self.tensor_rows[k, slot] = value
            if slot is not None:
                self._put_column(slot, stream)
        self.unsent.clear()

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Set the value of a group's hyperparameter."""
        self._set_input(group, self.hyperparameter_slot(index), value)

    def set_seed(self, seed: int) -> None:
        """Set the seed of the random numbers."""
        self._set_input(slice(None), SEED, seed)

    def set_minibatch_size(self, value: float) -> None:
        """Set the number of samples of the next updates."""
        self._set_input(slice(None), MINIBATCH_SIZE, value)

    def set_model_size(self, value: float) -> None:
        """Set the number of elements of the model, if other engines hold some of them."""
        self._set_input(slice(None), MODEL_SIZE, value)

    @property
    def units(self) -> int:
        """The number of units of an update."""
        return len(self.plan)

    @property
    def has_unsent(self) -> bool:
        """Whether inputs of the next update have changed since they were sent."""
        return self.inputs_changed or bool(self.unsent)

    def send(self, stream: int) -> bool:
        """Send changed inputs and addresses; return whether a CUDA graph is being captured."""
        if self.device.is_capturing(stream):
            self._record(stream)
            return True
        if self.inputs_changed:
            self.device.upload(self.at.inputs, self.inputs, stream)
            self.sent = self.inputs.copy()
            self.inputs_changed = False
        if self.unsent:
            self._put_values(stream)
        # A replay of a graph sends the addresses that were captured.
        if self.addresses_changed or self.was_captured:
            self.device.upload(self.at.addresses, self.addresses, stream)
            self.addresses_changed = False
        # During a capture, memory must not be allocated.
        if self.spare is None:
            self.spare = self.device.lock(self.addresses.nbytes)
        return False

    def _record(self, stream: int) -> None:
        """Record a copy of the address table in a CUDA graph; every replay repeats it."""
        count = len(self.program.rule.hyperparameters)
        first = self.hyperparameter_slot(0) - FIRST_INPUT
        differs = np.delete(self.inputs != self.sent, np.s_[first : first + count], axis=1)
        if not self.has_run or differs.any() or self.unsent:
            msg = (
                "Before capturing a CUDA graph, call learner.update(...) once with the same "
                "minibatch_size, loss and other extras: a replay cannot send new ones. "
                "(Hyperparameters are sent by learner.refresh().)"
            )
            raise LearnerError(msg)
        # Send them even if they have not changed: updates between replays may change them.
        locked, self.spare = self.spare, None
        if locked is None:
            locked = self.device.lock(self.addresses.nbytes)
        self.device.upload_in_graph(self.at.addresses, locked, self.addresses, stream)
        self.kept.append(locked)
        self.was_captured = True

    def run(self, first: int, last: int) -> float:
        """Start the units from `first` up to `last`; return 0, as the device refuses updates."""
        stream = self.stream()
        for unit in range(first, last):
            for launch in self.plan[unit]:
                self.device.launch(launch, stream)
            if unit in self.matrix_stages:
                self.matrix_stages[unit].run(stream)
        return 0.0

    def launch(self) -> float | Outcome:
        """Start one update without waiting; return its outcome, or 0 if nothing is checked."""
        with self.device.activate():
            stream = self.stream()
            captured = self.send(stream)
            self.run(0, 1)
            self.device.launch(self.begin, stream)
            self.run(1, self.units)
            self.has_run = True
            self.steps_begun += not captured
            return self.outcome(stream, captured) if self.check_finite else 0.0

    def outcome(self, stream: int, captured: bool = False) -> Outcome:
        """Return the outcome of the update that was started last."""
        address = self.at.gate
        if not captured:
            # The next update overwrites the gate, so its number is kept in a ring of numbers.
            address = self.outcomes + 8 * (self.launches % OUTCOMES)
            self.launches += 1
            self.device.copy(address, self.at.gate, 8, stream)
        return Outcome(functools.partial(self.read_outcome, address, self.launches))

    def read_outcome(self, address: int, launches: int) -> float:
        """Wait for the device; return how many gradient values of an update were not finite.

        Args:
            address: where the device writes the number.
            launches: the number of updates started up to this one.

        Raises:
            LearnerError: a later update has overwritten the number.
        """
        if self.launches - launches >= OUTCOMES:
            msg = (
                f"More than {OUTCOMES} updates were started since this one, so it is no longer "
                "known whether it was refused; ask earlier."
            )
            raise LearnerError(msg)
        return float(self.read(address, (1,), np.float64)[0])

    def refresh(self) -> None:
        """Send changed values before a CUDA graph replays an update, and count that update."""
        with self.device.activate():
            self.send(self.stream())
        self.steps_begun += 1

    def find_nonfinite(self, gradients: Sequence[Any]) -> list[int]:
        """Return the numbers of the tensors with NaN or infinite gradients at the last check."""
        del gradients
        reduces, chunks = len(self.reduces), self.at.chunk_count
        sums = self.read(self.at.sums, (chunks, reduces), np.float64)
        tensors = self.read(self.at.chunks, (chunks, 4), np.int64)[:, 0]
        return sorted({int(tensor) for tensor in tensors[sums[:, 0] > 0]})

    @property
    def threads(self) -> str:
        """The device that runs the updates, as text."""
        return self.device.name
