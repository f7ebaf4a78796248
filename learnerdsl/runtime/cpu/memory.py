"""The arrays of a CPU engine: states, temporaries and axis arrays, and the table of addresses."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from learnerdsl.expr import MatrixExtra, MatrixState, RingState
from learnerdsl.interpret.codecs import decode, decode_parameter
from learnerdsl.ir import Rank
from learnerdsl.kernels.slots import STEP
from learnerdsl.layout import Vector
from learnerdsl.pipeline import Program
from learnerdsl.runtime.arrays.host import Arena, Gradient, address_of
from learnerdsl.runtime.arrays.interop import host_array
from learnerdsl.runtime.arrays.sparse import values_of
from learnerdsl.runtime.tables.tables import Tables, narrow_operands
from learnerdsl.storage import PARAMETER_REST, SCALE


class Memory:
    """The arrays of an engine on the host.

    Args:
        tables: the tables of the engine.
        parameters: the arrays of the caller.

    Attributes:
        vectors: for each tensor its axis arrays, each with its parts: name -> array.
        matrices: for each tensor the arrays that functions of matrices use: name -> array. Their
            dtype is that of the arithmetic.
        addresses: the address table (tensors, columns), uint64; `bind` fills in the gradients.
        given: the number of its columns that are arrays of the caller.
    """

    def __init__(self, tables: Tables, parameters: Sequence[np.ndarray]) -> None:
        self.tables = tables
        self.program = program = tables.program
        self.parameters = parameters
        self.layout = layout = program.layout
        self.count = len(parameters)
        own = (*layout.owned, *program.kernel.temporaries)
        self.given = given = len(layout.arrays) - len(own)
        described = [list(self._described(own, p.shape)) for p in parameters]
        self.arena = Arena(parameters, described, given)
        names = [*(symbol.name for symbol in own), *(c.key for c in layout.companions)]
        self.held = [dict(zip(names, arrays, strict=True)) for arrays in self.arena.arrays]
        self.vectors = [self._make_vectors(k, tables) for k in range(self.count)]
        self.narrow = narrow_operands(program)
        self.raw: list[dict[str, Any]] = [{} for _ in parameters]
        self.matrices = [self._gather_matrices(k) for k in range(self.count)]
        self.addresses = self._tabulate_addresses()
        self.own_states = self.view_states()
        self.rings = [s for s in layout.element_states if isinstance(s, RingState)]

    def _described(self, own: Sequence[Any], shape: tuple[int, ...]) -> Iterator[Any]:
        """Yield (shape, dtype) of the arrays of a tensor: states, temporaries, companions."""
        for symbol in own:
            yield shape, self.layout.storages[symbol].numpy
        for companion in self.layout.companions:
            yield companion.array_shape(shape), companion.numpy

    def _make_vectors(self, k: int, tables: Tables) -> dict[str, np.ndarray]:
        """Return the axis arrays of a tensor, as the tables have its shape."""

        def filled(vector: Vector) -> np.ndarray:
            dtype = self.layout.storages[vector.symbol].numpy
            return np.full(tables.shape_of_vector(vector, k), vector.monoid.identity, dtype)

        return {vector.symbol.name: filled(vector) for vector in self.layout.vectors}

    def _gather_matrices(self, k: int) -> dict[str, np.ndarray]:
        """Return the arrays that matrix functions of a tensor use, except gradients."""
        kernel = self.program.kernel
        names = {symbol.name for symbol in self.narrow}
        found = {name: array for name, array in self.held[k].items() if name not in names}
        found[kernel.parameter.name] = self.parameters[k]
        for symbol in (*kernel.extras, *kernel.states):
            if isinstance(symbol, (MatrixExtra, MatrixState)):
                shape = symbol.array_shape(self.tables.shapes[k])
                found[symbol.name] = np.zeros(shape, self.layout.storages[symbol].numpy)
        return found

    def _tabulate_addresses(self) -> np.ndarray:
        layout, given = self.layout, self.given
        width = len(layout.columns) + len(layout.companions)
        table = np.zeros((self.count, width), np.uint64)
        for k, parameter in enumerate(self.parameters):
            arrays = self.arena.arrays[k]
            states = len(layout.arrays) - given
            own = [*arrays[:states], *self.vectors[k].values(), *arrays[states:]]
            table[k, 0] = address_of(parameter)
            table[k, given:] = [address_of(array) for array in own]
        return table

    def view_states(self) -> dict[str, list[np.ndarray]]:
        """Return the states and the second arrays: name -> one array for each tensor."""
        slots, tensors = self.layout.tensor, range(self.count)
        states: dict[str, list[np.ndarray]] = {}
        for symbol in self.program.kernel.states:
            rank = self.program.kernel.domains[symbol].rank
            if symbol in slots:
                column = self.tables.tensor_rows[:, slots.index(symbol)]
                states[symbol.name] = [column[k : k + 1].reshape(()) for k in tensors]
            elif rank != Rank.MODEL:
                places = {Rank.VECTOR: self.vectors, Rank.MATRIX: self.matrices}
                held = places.get(rank, self.held)
                states[symbol.name] = [held[k][symbol.name] for k in tensors]
        for companion in self.layout.companions:
            states[companion.key] = [self.held[k][companion.key] for k in tensors]
        return states

    @property
    def states(self) -> dict[str, list[np.ndarray]]:
        """The states: name -> one array for each tensor.

        The values of a ring stay in place while their ages change, so the names of its arrays
        rotate with the step.
        """
        states = dict(self.own_states)
        steps = self.tables.model_rows[self.tables.groups, STEP].astype(np.int64)
        for symbol in self.rings:
            base = self.rings.index(symbol) + 1 - symbol.lag
            slots = (steps + 1 - symbol.lag) % symbol.length
            for suffix in ("", SCALE):
                if symbol.name + suffix in states:
                    states[symbol.name + suffix] = [
                        self.own_states[self.rings[base + slot].name + suffix][k]
                        for k, slot in enumerate(slots)
                    ]
        return states

    def borrow(self, k: int, lender: "Memory", number: int) -> None:
        """Keep the states of tensor `k` where another engine keeps those of its own tensor."""
        columns = [*(symbol.name for symbol in self.layout.columns)]
        columns += [companion.key for companion in self.layout.companions]
        names = {s.name for s in self.program.kernel.states}
        names |= {companion.key for companion in self.layout.companions}
        for name in names:
            for own, theirs in (
                (self.held[k], lender.held[number]),
                (self.vectors[k], lender.vectors[number]),
                (self.matrices[k], lender.matrices[number]),
            ):
                if name in own:
                    own[name] = theirs[name]
                    if name in columns:
                        self.addresses[k, columns.index(name)] = address_of(own[name])

    def use_program(self, program: Program) -> None:
        """Decode gradients as this program, for another number type of theirs, reads them."""
        self.program, self.layout = program, program.layout
        self.narrow = narrow_operands(program)

    def bind(self, name: str, indices: Sequence[int], arrays: Sequence[Gradient]) -> None:
        """Let functions of matrices read these arrays under a name."""
        is_narrow = any(symbol.name == name for symbol in self.narrow)
        places = self.raw if is_narrow else self.matrices
        for index, array in zip(indices, arrays, strict=True):
            places[index][name] = host_array(values_of(array), name)

    def decode_for_matrices(self, k: int) -> dict[str, np.ndarray]:
        """Decode the narrow arrays that matrix functions of a tensor read; return all arrays."""
        found = self.matrices[k]
        for symbol in self.narrow:
            if symbol == self.program.kernel.parameter:
                rest = self.held[k].get(PARAMETER_REST)
                found[symbol.name] = decode_parameter(
                    self.program.precision, self.parameters[k], rest
                )
            else:
                held = self.held[k] if symbol.name in self.held[k] else self.raw[k]
                scales = held.get(symbol.name + SCALE)
                found[symbol.name] = decode(
                    self.layout.storages[symbol], held[symbol.name], scales
                ).astype(self.program.precision.arithmetic, copy=False)
        return found
