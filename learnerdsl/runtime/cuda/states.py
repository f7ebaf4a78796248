"""The memory of a learner on a device: its states, its tables and its clock."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.errors import LearnerError
from learnerdsl.expr import MatrixExtra, MatrixState, RingState
from learnerdsl.ir import Rank
from learnerdsl.kernels.cuda import THREADS, lanes_among
from learnerdsl.kernels.slots import SAMPLES, STEP
from learnerdsl.layout import Vector
from learnerdsl.pipeline import Program
from learnerdsl.runtime.arrays.device import Place
from learnerdsl.runtime.cuda.device import ALIGNMENT, Device, DeviceView
from learnerdsl.runtime.cuda.launches import FIRST_INPUT, DeviceTables, input_count, tabulate_joins
from learnerdsl.runtime.cuda.whole_updates import WholeUpdates
from learnerdsl.runtime.tables.tables import Tables
from learnerdsl.runtime.work import Work

Allocate = Callable[[tuple[int, ...], np.dtype[Any]], Any]
"""Returns a zeroed array of this shape and dtype on the device, with an address `data_ptr()`."""


def groups_of_threads(width: int) -> int:
    """Return the number of groups of threads in a block that share a row: each has a part."""
    return THREADS // lanes_among(width, THREADS)


class DeviceStates(WholeUpdates, Tables):
    """The memory of an engine on a device; see `CudaEngine` for the arguments.

    Attributes:
        at: addresses of the tables.
        places: for each tensor, name -> (address, shape, dtype) of its arrays on the device.
        owners: for each tensor, name -> array of the parameters' library, for the states that are
            in memory of that library.
        rows: the same for the tensor rows, `clock_rows` for the model rows, and `pending` for the
            samples that wait; None if they are in memory of the driver.
        guarded: a float64 on the device that refuses updates unless it is 0; None if there is none.
        inputs: inputs of an update from the host (groups, inputs), float64.
        addresses: the address table (tensors, columns), uint64.
        steps_begun: number of updates started, as known without waiting for the device, and as
            the device counts them.
        was_captured: whether a CUDA graph holds an update; the host cannot count its replays.
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
        super().__init__(program, work, groups_of_threads)
        self.device = device
        self.stream = stream
        self.allocate = allocate
        self.check_finite = work.check_finite
        self.inputs = self.model_rows[:, FIRST_INPUT : FIRST_INPUT + input_count(self)].copy()
        self.at = DeviceTables()
        self.kept: list[Any] = []
        self.steps_begun = self.missed = 0
        self.was_captured = False
        self.rows: Any = None
        self.clock_rows: Any = None
        self.pending: Any = None
        self.guarded: Any = None
        self.owners: list[dict[str, Any]] = [{} for _ in parameters]
        self.places = self._place_arrays(parameters)
        self.addresses = self._tabulate_addresses(parameters)
        self._place_tables()

    def _place_arrays(self, parameters: Sequence[Place]) -> list[dict[str, tuple[int, Any, Any]]]:
        """Allocate the arrays of each tensor: name -> (address, shape, dtype)."""
        places: list[dict[str, tuple[int, Any, Any]]] = []
        names = self._kept_names() if self.allocate is not None else set[str]()
        end = 0
        for k, parameter in enumerate(parameters):
            own: dict[str, tuple[int, Any, Any]] = {}
            for name, shape, kind in self._described(k, parameter.shape):
                own[name] = end, shape, kind
                if self.allocate is not None and name in names:
                    self.owners[k][name] = self.allocate(shape, kind)
                    continue
                end += -(-math.prod(shape) * kind.itemsize // ALIGNMENT) * ALIGNMENT
            places.append(own)
        self.arena = self.device.allocate(end)
        base = self.arena.address
        for own, owners in zip(places, self.owners, strict=True):
            for name, (start, shape, kind) in own.items():
                at = owners[name].data_ptr() if name in owners else base + start
                own[name] = at, shape, kind
        return places

    def _kept_names(self) -> set[str]:
        """Return the names of the arrays that an update leaves for the next one."""
        keys = {companion.key for companion in self.program.layout.companions}
        return {symbol.name for symbol in self.program.kernel.states} | keys

    def _described(self, k: int, shape: tuple[int, ...]) -> Iterator[tuple[str, Any, Any]]:
        """Yield (name, shape, dtype) of the arrays of a tensor."""
        kernel, layout = self.program.kernel, self.program.layout
        for symbol in (*layout.owned, *kernel.temporaries):
            yield symbol.name, shape, layout.storages[symbol].numpy
        for vector in layout.vectors:
            kind = layout.storages[vector.symbol].numpy
            yield vector.symbol.name, self.shape_of_vector(vector, k), kind
        for symbol in (*kernel.extras, *kernel.states):
            if isinstance(symbol, (MatrixExtra, MatrixState)):
                whole = symbol.array_shape(self.shapes[k])
                yield symbol.name, whole, layout.storages[symbol].numpy
        for companion in layout.companions:
            yield companion.key, companion.array_shape(shape), companion.numpy

    def _tabulate_addresses(self, parameters: Sequence[Place]) -> np.ndarray:
        """Return the address table (tensors, columns), uint64; `bind` fills in the gradients."""
        layout = self.program.layout
        names = [*(symbol.name for symbol in layout.columns), *(c.key for c in layout.companions)]
        table = np.zeros((len(parameters), len(names)), np.int64)
        for k, parameter in enumerate(parameters):
            table[k, 0] = parameter.address
            for column, name in enumerate(names):
                if name in self.places[k] and column:
                    table[k, column] = self.places[k][name][0]
        return table

    def keep(self, array: np.ndarray) -> int:
        """Copy an array to the device for the lifetime of the engine; return its address."""
        memory = self.device.allocate(array.nbytes)
        self.kept.append(memory)
        with self.device.activate():
            self.device.upload(memory.address, np.ascontiguousarray(array), self.stream())
        return memory.address

    def _place_tables(self) -> None:
        """Copy all tables except those of the chunks to the device."""
        at = self.at
        at.model_rows, self.clock_rows = self._place_rows(self.model_rows)
        at.tensor_rows, self.rows = self._place_rows(self.tensor_rows)
        at.groups = self.keep(self.groups)
        at.addresses = self.keep(self.addresses)
        at.inputs = self.keep(self.inputs)
        at.pending, self.pending = self._place_rows(np.zeros(len(self.model_rows)))
        at.reduces = self.keep(self.reduces)
        at.partials = self.keep(np.zeros((len(self.sizes), len(self.reduces))))
        at.found = self.keep(np.zeros(1))
        at.gate = at.found if self.check_finite else 0
        for level in range(len(self.program.levels)):
            table, tiles = self._tabulate_joins(level)
            if len(tiles):
                at.vectors[level] = self.keep(table), self.keep(tiles), len(tiles)
        self._start_vectors()

    def _tabulate_joins(self, level: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which axis arrays the sweep of a level leaves in parts; see `tabulate_joins`."""
        return tabulate_joins(self, level, self._address_of)

    def _place_rows(self, rows: np.ndarray) -> tuple[int, Any]:
        """Copy rows of scalars to the device; return their address, and the array that owns it."""
        if self.allocate is None or not rows.size:
            return self.keep(rows), None
        owner = self.allocate(rows.shape, rows.dtype)
        with self.device.activate():
            self.device.upload(owner.data_ptr(), rows, self.stream())
        return owner.data_ptr(), owner

    def _address_of(self, tensor: int, vector: Vector) -> int:
        return self.places[tensor][vector.symbol.name][0]

    def _start_vectors(self) -> None:
        """Fill the axis arrays of empty tensors, which no chunk will write."""
        self.fill_vectors(self.places)

    def fill_vectors(self, places: Sequence[Mapping[str, tuple[int, Any, Any]]]) -> None:
        """Fill the axis arrays of all tensors with the identity of their reduction."""
        for vector in self.program.layout.vectors:
            if vector.monoid.identity:
                for own in places:
                    address, shape, kind = own[vector.symbol.name]
                    start = np.full(shape, vector.monoid.identity, kind)
                    self.device.upload(address, start, self.stream())

    def read(self, address: int, shape: tuple[int, ...], kind: Any) -> np.ndarray:
        """Wait for all work of the device, then return a NumPy copy of an array."""
        array = np.empty(shape, kind)
        with self.device.activate():
            if self.device.is_capturing(self.stream()):
                msg = (
                    "Values on the device cannot be read while a CUDA graph is captured: states, "
                    "step_count, or whether gradients are finite (nonfinite='raise', or 'skip' "
                    "with schedules). Read them before or after the capture."
                )
                raise LearnerError(msg)
            # Updates may have run on another stream than the current one.
            self.device.synchronize()
            self.device.download(array, address, self.stream())
        return array

    def state_spans(self) -> list[tuple[int, int, int]]:
        """Return the memory of each state array: first byte, end, number of its tensor."""
        return [
            (address, address + math.prod(shape) * kind.itemsize, k)
            for k, own in enumerate(self.places)
            for address, shape, kind in own.values()
        ]

    def read_model_rows(self) -> np.ndarray:
        """Wait for the device, then return the model rows (groups, slots), float64."""
        return self.read(self.at.model_rows, self.model_rows.shape, np.float64)

    def write_model_rows(self, slots: Mapping[int, float]) -> None:
        """Set slots of the model rows of all groups: slot -> value."""
        rows = self.read_model_rows()
        for slot, value in slots.items():
            rows[:, slot] = value
        with self.device.activate():
            self.device.upload(self.at.model_rows, rows, self.stream())

    @property
    def step_count(self) -> int:
        """The number of updates done; waits for the device if only the device knows."""
        return self.device_steps + self.missed

    @property
    def device_steps(self) -> int:
        """The number of updates done as the device counts them, on which rings depend."""
        if self.may_refuse or self.was_captured:
            # The device may have refused updates, or a graph may have replayed some.
            known = int(self.read_model_rows()[0, STEP])
            self.steps_begun = known if self.may_refuse else max(known, self.steps_begun)
            return known
        return self.steps_begun

    @property
    def device_clock(self) -> Any:
        """The number of updates that the device has counted (), float64.

        It is an array of the library that allocated the states.
        """
        return self.clock_rows[0, STEP]

    def count_replays(self) -> None:
        """Take over the updates that CUDA graphs have replayed; waits if there is one."""
        self.steps_begun = self.device_steps

    @property
    def may_refuse(self) -> bool:
        """Whether the device decides if an update is done."""
        return self.check_finite or self.guarded is not None

    def miss(self, missed: int) -> None:
        """Let the device count from a step that is so much less than `step_count`."""
        own = self.step_count - missed
        self.write_model_rows({STEP: own})
        self.steps_begun, self.missed = own, missed

    @property
    def planned_steps(self) -> int:
        """The number of updates before the next one; does not wait if none can be refused."""
        return self.step_count if self.may_refuse else self.steps_begun + self.missed

    @property
    def samples(self) -> float:
        """The number of samples seen, including the last update's, which are still pending."""
        waiting = self.read(self.at.pending, (1,), np.float64)
        return float(self.read_model_rows()[0, SAMPLES] + waiting[0])

    def set_clock(self, step_count: int, samples: float) -> None:
        """Set the number of updates done and the number of samples seen."""
        self.steps_begun, self.missed = step_count, 0
        self.write_model_rows({STEP: step_count, SAMPLES: samples})
        with self.device.activate():
            self.device.upload(self.at.pending, np.zeros(len(self.model_rows)), self.stream())

    def borrow_states(self, lender: Any) -> None:
        """Keep the states in the memory of another engine of the same tensors."""
        self.borrow([lender.holder(k) for k in range(len(self.sizes))])

    def holder(self, tensor: int) -> tuple["DeviceStates", int]:
        """Return the engine that has the states of a tensor, and the number of the tensor in it."""
        return self, tensor

    def borrow(self, holders: Sequence[tuple["DeviceStates", int]]) -> None:
        """Keep the states of each tensor in the memory of another engine."""
        layout, kernel = self.program.layout, self.program.kernel
        keys = [companion.key for companion in layout.companions]
        columns = [*(symbol.name for symbol in layout.columns), *keys]
        names = {*(symbol.name for symbol in kernel.states), *keys}
        for k, (lender, number) in enumerate(holders):
            self.owners[k] = lender.owners[number]
            for name in names & self.places[k].keys():
                self.places[k][name] = lender.places[number][name]
                if name in columns:
                    self.addresses[k, columns.index(name)] = self.places[k][name][0]
        # What another library has allocated needs no arena.
        held = ((own, names & own.places[k].keys() - own.owners[k].keys()) for own, k in holders)
        self.kept += [own.arena for own, inside in held if inside]
        if all(own.keys() <= names for own in self.places):
            self.arena = holders[0][0].arena  # lets go of the memory that nothing uses now

    @property
    def leader(self) -> "DeviceStates":
        """The engine that has the clock: this one."""
        return self

    @property
    def lends_states(self) -> bool:
        """Whether another engine can keep the states of its tensors in the memory of this one."""
        return self.allocate is not None

    def follow(self, other: "DeviceStates", own: Sequence[Any], steps: int, count: int) -> None:
        """Continue after updates by other engines, without waiting for the device.

        The states with a value for each element, or for each index of axes, are in shared memory.

        Args:
            other: the engine that has done the last update by this rule.
            own: for each tensor the engine that has updated it last, and its number there.
            steps: the number of updates of each tensor.
            count: the number of all updates.
        """
        slots = self.program.layout.tensor
        for symbol in (s for s in self.program.kernel.states if s in slots):
            for k, (engine, number) in enumerate(own):
                column = engine.program.layout.tensor.index(symbol)
                if engine is not self:
                    self.rows[k, slots.index(symbol)].copy_(engine.rows[number, column])
        self.clock_rows[:, STEP].fill_(steps)
        if other is not self:
            self.pending.copy_(other.pending[0])
            self.clock_rows[:, SAMPLES].copy_(other.clock_rows[0, SAMPLES])
            model, theirs = self.program.layout.model, other.program.layout.model
            for symbol in (s for s in self.program.kernel.states if s in model):
                value = other.clock_rows[0, theirs.index(symbol)]
                self.clock_rows[:, model.index(symbol)].copy_(value)
        self.steps_begun, self.missed = steps, count - steps

    def scalar_states(self) -> dict[str, list[float]]:
        """Return copies of the states with one value per tensor: name -> values."""
        slots = self.program.layout.tensor
        own = [symbol for symbol in self.program.kernel.states if symbol in slots]
        rows = self._read_tensor_rows() if own else self.tensor_rows
        return {symbol.name: rows[:, slots.index(symbol)].tolist() for symbol in own}

    def put_scalars(self, tensor: Mapping[str, Any], model: Mapping[str, float]) -> None:
        """Set states with one value per tensor, name -> values, and those of the model."""
        slots, layout = self.program.layout.tensor, self.program.layout
        symbols = {symbol.name: symbol for symbol in self.program.kernel.states}
        if tensor:
            rows = self._read_tensor_rows()
            for name, values in tensor.items():
                rows[:, slots.index(symbols[name])] = values
            with self.device.activate():
                self.device.upload(self.at.tensor_rows, rows, self.stream())
                self.device.synchronize()
        if model:
            self.write_model_rows({layout.model.index(symbols[n]): v for n, v in model.items()})

    def take_scalars(self, other: Any) -> None:
        """Set the states with one value per tensor, or for the model, to those of another."""
        self.put_scalars(other.scalar_states(), other.read_model_states())

    @property
    def states(self) -> dict[str, list[Any]]:
        """The states: name -> an array on the device, or a NumPy scalar, for each tensor."""
        return self._states(self._view)

    def read_states(self) -> dict[str, list[Any]]:
        """Return copies of the states as NumPy arrays."""
        return self._states(lambda k, name: self.read(*self.places[k][name]))

    def _view(self, k: int, name: str) -> DeviceView:
        """Return an array of tensor `k`, which keeps its memory."""
        owner = self.owners[k].get(name, self.arena)
        return DeviceView(self.device, owner, *self.places[k][name])

    def owned_states(self) -> dict[str, list[Any]]:
        """Return the states as arrays of the library that allocated their memory.

        A state with one value per tensor is an array without axes. Nothing waits for the device.
        """
        slots, states = self.program.layout.tensor, self.program.kernel.states
        found = self._states(lambda k, name: self.owners[k][name], self.tensor_rows)
        for symbol in (s for s in states if s in slots):
            column = slots.index(symbol)
            found[symbol.name] = [self.rows[k, column] for k in range(len(self.sizes))]
        return found

    def _read_tensor_rows(self) -> np.ndarray:
        return self.read(self.at.tensor_rows, self.tensor_rows.shape, np.float64)

    def _states(self, of: Callable[[int, str], Any], rows: Any = None) -> dict[str, list[Any]]:
        """Return what `of` gives for each tensor and the name of the array that holds a state.

        Scalars are those of the given tensor rows, or are read from the device.
        """
        layout, kernel = self.program.layout, self.program.kernel
        if rows is None:
            has_scalars = not set(kernel.states).isdisjoint(layout.tensor)
            rows = self._read_tensor_rows() if has_scalars else self.tensor_rows
        tensors = range(len(self.places))
        states: dict[str, list[Any]] = {}
        for symbol, held in self.holders().items():
            if symbol in layout.tensor:
                column = rows[:, layout.tensor.index(symbol)]
                states[symbol.name] = [np.array(value) for value in column]
            elif kernel.domains[symbol].rank != Rank.MODEL:
                states[symbol.name] = [of(k, held.name) for k in tensors]
        for key, held in self.companion_keys():
            states[key] = [of(k, held) for k in tensors]
        return states

    def companion_keys(self) -> list[tuple[str, str]]:
        """Return (name of a second array, name of what holds it now); those of a ring rotate."""
        companions = self.program.layout.companions
        keys, holders = {c.symbol: c.key for c in companions}, self.holders()
        return [(c.key, keys[holders.get(c.symbol, c.symbol)]) for c in companions]

    def holders(self) -> dict[Any, Any]:
        """Map each state to the one whose memory holds its value now; those of a ring rotate."""
        rings = [s for s in self.program.layout.element_states if isinstance(s, RingState)]
        held: dict[Any, Any] = {s: s for s in self.program.kernel.states}
        step = self.device_steps if rings else 0
        for symbol in rings:
            base = rings.index(symbol) + 1 - symbol.lag
            held[symbol] = rings[base + (step + 1 - symbol.lag) % symbol.length]
        return held

    def read_model_states(self) -> dict[str, float]:
        """Return the model-wide states: name -> value."""
        model = self.program.layout.model
        own = [s for s in self.program.kernel.states if s in model]
        rows = self.read_model_rows() if own else self.model_rows
        return {s.name: float(rows[0, model.index(s)]) for s in own}

    def write_states(self, values: Mapping[str, Any]) -> None:
        """Set the states: an array for each tensor, or one number for a model-wide state."""
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
        for key, held in self.companion_keys():
            for own, value in zip(self.places, values[key], strict=True):
                self._write(own[held], value, stream)
        self.write_model_rows(model)
        with self.device.activate():
            self.device.upload(self.at.tensor_rows, rows, stream)
            self.device.synchronize()

    def _write(self, place: tuple[int, Any, Any], value: Any, stream: int) -> None:
        """Write a value to an array on the device; zeros need no copy from the host."""
        address, shape, kind = place
        array = np.asarray(value, kind)
        with self.device.activate():
            if array.size and not any(array.strides) and not array.flat[0]:
                self.device.clear(address, math.prod(shape) * kind.itemsize, stream)
            else:
                whole = np.ascontiguousarray(np.broadcast_to(array, shape))
                self.device.upload(address, whole, stream)
