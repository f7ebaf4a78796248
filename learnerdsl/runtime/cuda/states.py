"""What a learner keeps on a device: its states, its tables, and the clock."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.dtypes import NUMBER_TYPES
from learnerdsl.errors import InternalError, LearnerError
from learnerdsl.expr import MatrixState, RingState
from learnerdsl.ir import Rank
from learnerdsl.kernels.cuda import THREADS, lanes_among
from learnerdsl.kernels.slots import SAMPLES, STEP
from learnerdsl.layout import Vector
from learnerdsl.pipeline import Program
from learnerdsl.runtime.arrays.device import Place
from learnerdsl.runtime.cuda.device import ALIGNMENT, Device, DeviceView
from learnerdsl.runtime.cuda.launches import FIRST_INPUT, DeviceTables, input_count, tabulate_joins
from learnerdsl.runtime.engine import Groups
from learnerdsl.runtime.tables.tables import Tables


class WholeUpdates:
    """What an engine says that leaves out no tensor."""

    sizes: Any
    step_count: Any

    @property
    def tensor_steps(self) -> float | list[float]:
        """Number of updates done, of each tensor."""
        return self.step_count

    @property
    def missed_steps(self) -> list[int]:
        """For each tensor, how many of the updates left it out."""
        return [0] * len(self.sizes)

    @missed_steps.setter
    def missed_steps(self, missed: Sequence[int]) -> None:
        """Refused, unless none was left out."""
        if any(missed):
            msg = (
                "Some parameters had no gradient in earlier updates, so that they have done fewer "
                "steps; on a GPU all parameters do the same."
            )
            raise LearnerError(msg)

    def launch_without(self, absent: Sequence[int]) -> Any:
        """Never called, as gradients that are None are refused."""
        msg = f"no update on a device leaves out tensors, got {absent}"
        raise InternalError(msg)


class DeviceStates(WholeUpdates, Tables):
    """The memory of an engine on a device; see `CudaEngine` for the arguments.

    Attributes:
        at: where the tables are.
        places: for each tensor, name -> (address, shape, dtype) of what is kept for it.
        inputs: what the host gives each update, for every group.
        addresses: of the arrays of every tensor.
        steps_begun: number of updates, as far as is known without waiting for the device.
        was_captured: whether an update is in a CUDA graph, whose replays nobody counts.
    """

    def __init__(
        self,
        program: Program,
        parameters: Sequence[Place],
        groups: Groups,
        check_finite: bool,
        seed: int,
        device: Device,
        stream: Callable[[], int],
        numbers: Sequence[int] | None = None,
    ) -> None:
        super().__init__(program, [p.shape for p in parameters], groups, seed, numbers)
        self.device = device
        self.stream = stream
        self.check_finite = check_finite
        self.kind = NUMBER_TYPES[program.dtype].numpy
        self.inputs = self.model_rows[:, FIRST_INPUT : FIRST_INPUT + input_count(self)].copy()
        self.at = DeviceTables()
        self.kept: list[Any] = []
        self.steps_begun = 0
        self.was_captured = False
        self.places = self._place_arrays(parameters)
        self.addresses = self._tabulate_addresses(parameters)
        self._place_tables()

    def parts_of_chunk(self, width: int) -> int:
        """A part for each group of threads that shares a row: see `lanes_for`."""
        return THREADS // lanes_among(width, THREADS)

    def _place_arrays(self, parameters: Sequence[Place]) -> list[dict[str, tuple[int, Any, Any]]]:
        """Name -> (address, shape, dtype) of what the engine keeps for each tensor."""
        kernel, layout = self.program.kernel, self.program.layout
        wide = np.dtype(np.float64)
        places: list[dict[str, tuple[int, Any, Any]]] = []
        end = 0
        for k, parameter in enumerate(parameters):
            shapes = {
                s.name: (parameter.shape, self.kind)
                for s in (*layout.element_states, *kernel.temporaries)
            }
            for vector in layout.vectors:
                kind = wide if vector.is_wide else self.kind
                shapes[vector.symbol.name] = self.shape_of_vector(vector, k), kind
            for symbol in kernel.states:
                if isinstance(symbol, MatrixState):
                    shapes[symbol.name] = symbol.array_shape(parameter.shape), self.kind
            own: dict[str, tuple[int, Any, Any]] = {}
            for name, (shape, kind) in shapes.items():
                own[name] = end, shape, kind
                end += -(-math.prod(shape) * kind.itemsize // ALIGNMENT) * ALIGNMENT
            places.append(own)
        self.arena = self.device.allocate(end)
        base = self.arena.address
        return [{n: (base + start, *rest) for n, (start, *rest) in p.items()} for p in places]

    def _tabulate_addresses(self, parameters: Sequence[Place]) -> np.ndarray:
        """Address table: a row for each tensor; gradients are bound later."""
        columns = self.program.layout.columns
        table = np.zeros((len(parameters), len(columns)), np.int64)
        for k, parameter in enumerate(parameters):
            table[k, 0] = parameter.address
            for column, symbol in enumerate(columns):
                if symbol.name in self.places[k] and column:
                    table[k, column] = self.places[k][symbol.name][0]
        return table

    def keep(self, array: np.ndarray) -> int:
        """The address of a copy of an array that stays on the device."""
        memory = self.device.allocate(array.nbytes)
        self.kept.append(memory)
        with self.device.activate():
            self.device.upload(memory.address, np.ascontiguousarray(array), self.stream())
        return memory.address

    def _place_tables(self) -> None:
        """All tables but those of the chunks."""
        at = self.at
        at.model_rows = self.keep(self.model_rows)
        at.tensor_rows = self.keep(self.tensor_rows)
        at.groups = self.keep(self.groups)
        at.addresses = self.keep(self.addresses)
        at.inputs = self.keep(self.inputs)
        at.pending = self.keep(np.zeros(len(self.model_rows)))
        at.reduces = self.keep(self.reduces)
        at.partials = self.keep(np.zeros((len(self.sizes), len(self.reduces))))
        at.found = self.keep(np.zeros(1))
        at.gate = at.found if self.check_finite else 0
        for level in range(len(self.program.levels)):
            table, tiles = tabulate_joins(self, level, self._address_of)
            if len(tiles):
                at.vectors[level] = self.keep(table), self.keep(tiles), len(tiles)
        self._start_vectors()

    def _address_of(self, tensor: int, vector: Vector) -> int:
        return self.places[tensor][vector.symbol.name][0]

    def _start_vectors(self) -> None:
        """Vectors that no chunk writes, as their tensor is empty, have the value of no element."""
        for vector in self.program.layout.vectors:
            if vector.monoid.identity:
                for own in self.places:
                    address, shape, kind = own[vector.symbol.name]
                    start = np.full(shape, vector.monoid.identity, kind)
                    self.device.upload(address, start, self.stream())

    def read(self, address: int, shape: tuple[int, ...], kind: Any) -> np.ndarray:
        """A copy of an array of the device in NumPy, when all that was started is done."""
        array = np.empty(shape, kind)
        with self.device.activate():
            if self.device.is_capturing(self.stream()):
                msg = (
                    "What is on the device cannot be read while a CUDA graph is captured: states, "
                    "step_count, or whether gradients are finite (nonfinite='raise', or 'skip' "
                    "with schedules). Read it before or after."
                )
                raise LearnerError(msg)
            # Updates may have been on another stream than the one that is current here.
            self.device.synchronize()
            self.device.download(array, address, self.stream())
        return array

    def state_spans(self) -> list[tuple[int, int, int]]:
        """The memory of the states: first byte, the one after the last, number of the tensor."""
        return [
            (address, address + math.prod(shape) * kind.itemsize, k)
            for k, own in enumerate(self.places)
            for address, shape, kind in own.values()
        ]

    def read_model_rows(self) -> np.ndarray:
        """The rows of scalars of all groups, and waits for them."""
        return self.read(self.at.model_rows, self.model_rows.shape, np.float64)

    def write_model_rows(self, slots: Mapping[int, float]) -> None:
        """Give some slots of all groups a value."""
        rows = self.read_model_rows()
        for slot, value in slots.items():
            rows[:, slot] = value
        with self.device.activate():
            self.device.upload(self.at.model_rows, rows, self.stream())

    @property
    def step_count(self) -> int:
        """Number of updates done; waits for them where only the device knows."""
        if self.check_finite or self.was_captured:
            # Updates may have been refused, or done by replays of a graph.
            known = int(self.read_model_rows()[0, STEP])
            self.steps_begun = known if self.check_finite else max(known, self.steps_begun)
            return known
        return self.steps_begun

    @property
    def planned_steps(self) -> int:
        """Number of updates before the next one, without waiting where no update can be refused."""
        return self.step_count if self.check_finite else self.steps_begun

    @property
    def samples(self) -> float:
        """Number of samples seen: those of the last update are still waiting."""
        waiting = self.read(self.at.pending, (1,), np.float64)
        return float(self.read_model_rows()[0, SAMPLES] + waiting[0])

    def set_clock(self, step_count: int, samples: float) -> None:
        """Go on as if so many updates had been done, of so many samples."""
        self.steps_begun = step_count
        self.write_model_rows({STEP: step_count, SAMPLES: samples})
        with self.device.activate():
            self.device.upload(self.at.pending, np.zeros(len(self.model_rows)), self.stream())

    @property
    def states(self) -> dict[str, list[Any]]:
        """State name -> an array on the device for each tensor; one scalar for each in NumPy."""
        return self._states(lambda place: DeviceView(self.device, self.arena, *place))

    def read_states(self) -> dict[str, list[Any]]:
        """Copies of the states, in NumPy."""
        return self._states(lambda place: self.read(*place))

    def _read_tensor_rows(self) -> np.ndarray:
        return self.read(self.at.tensor_rows, self.tensor_rows.shape, np.float64)

    def _states(self, of: Callable[[tuple[int, Any, Any]], Any]) -> dict[str, list[Any]]:
        layout, kernel = self.program.layout, self.program.kernel
        has_scalars = not set(kernel.states).isdisjoint(layout.tensor)
        rows = self._read_tensor_rows() if has_scalars else self.tensor_rows
        states: dict[str, list[Any]] = {}
        for symbol, held in self.holders().items():
            if symbol in layout.tensor:
                column = rows[:, layout.tensor.index(symbol)]
                states[symbol.name] = [np.array(value) for value in column]
            elif kernel.domains[symbol].rank != Rank.MODEL:
                states[symbol.name] = [of(own[held.name]) for own in self.places]
        return states

    def holders(self) -> dict[Any, Any]:
        """State -> the one whose memory has its value now: those of a ring take turns."""
        rings = [s for s in self.program.layout.element_states if isinstance(s, RingState)]
        held: dict[Any, Any] = {s: s for s in self.program.kernel.states}
        step = self.step_count if rings else 0
        for symbol in rings:
            base = rings.index(symbol) + 1 - symbol.lag
            held[symbol] = rings[base + (step + 1 - symbol.lag) % symbol.length]
        return held

    def read_model_states(self) -> dict[str, float]:
        """State name -> value, of the states of the model."""
        model = self.program.layout.model
        own = [s for s in self.program.kernel.states if s in model]
        rows = self.read_model_rows() if own else self.model_rows
        return {s.name: float(rows[0, model.index(s)]) for s in own}

    def write_states(self, values: Mapping[str, Any]) -> None:
        """Give states their values: an array for each tensor, or one number for the model."""
        layout = self.program.layout
        rows = self._read_tensor_rows()
        model: dict[int, float] = {}
        stream = self.stream()
        for symbol, held in self.holders().items():
            given = values[symbol.name]
            if symbol in layout.model:
                model[layout.model.index(symbol)] = float(given)
            elif symbol in layout.tensor:
                rows[:, layout.tensor.index(symbol)] = given
            else:
                for own, value in zip(self.places, given, strict=True):
                    self._write(own[held.name], value, stream)
        self.write_model_rows(model)
        with self.device.activate():
            self.device.upload(self.at.tensor_rows, rows, stream)
            self.device.synchronize()

    def _write(self, place: tuple[int, Any, Any], value: Any, stream: int) -> None:
        """An array of the device takes a value; zero takes no memory of the host."""
        address, shape, kind = place
        array = np.asarray(value, kind)
        with self.device.activate():
            if array.size and not any(array.strides) and not array.flat[0]:
                self.device.clear(address, math.prod(shape) * kind.itemsize, stream)
            else:
                whole = np.ascontiguousarray(np.broadcast_to(array, shape))
                self.device.upload(address, whole, stream)
