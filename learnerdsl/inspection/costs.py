"""Show the traffic, the memory and the arithmetic of an update."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from learnerdsl.cards import HasCard, ShownCard, Table, counted
from learnerdsl.cards.content import sections
from learnerdsl.codegen.operations import count_operations
from learnerdsl.errors import HyperparameterError
from learnerdsl.expr import Sides, StateSymbol
from learnerdsl.inspection.plans import is_array, storage_of, whole
from learnerdsl.ir import Domain
from learnerdsl.pipeline import Program
from learnerdsl.runtime.tables.tables import bytes_per_element
from learnerdsl.tracing import checked_shape


@dataclass(frozen=True)
class StateArray:
    """An array that a state is kept in.

    Attributes:
        name: its name in checkpoints: that of the state, or one with ".scale" or ".rest".
        dtype: its number type.
        itemsize: bytes of a value.
        ndim: number of dimensions that the parameter must have; None for any.
        array_shape: returns its shape, for a parameter of a given shape.
    """

    name: str
    dtype: str
    itemsize: int
    ndim: int | None
    array_shape: Callable[[tuple[int, ...]], tuple[int, ...]]


@dataclass(frozen=True)
class Cost(HasCard):
    """The cost of one update.

    Attributes:
        bytes_per_element: memory traffic of arrays with a value for each element.
        state_bytes_per_element: memory of such states, with the scales of 8-bit blocks and the
            second arrays of master weights.
        other_state_bytes: memory of the other states: what has a value ("row", "column", "rows x
            rows", "tensor", "model") -> bytes of each such value.
        operations_per_element: name of an operation -> number of times per element.
        scalar_operations: number of operations done once per group of parameters or tensor.
        arrays: the arrays that states are kept in.
    """

    bytes_per_element: float
    state_bytes_per_element: float
    other_state_bytes: dict[str, int]
    operations_per_element: dict[str, int]
    scalar_operations: int
    arrays: tuple[StateArray, ...] = field(repr=False)

    def state_bytes(self, shape: Sequence[int]) -> int:
        """Return the memory of all states, for one parameter of this shape.

        Raises:
            RuleError: it is no shape.
            HyperparameterError: the cost is that of parameters of another number of dimensions;
                write `rule.cost(shape=shape)`.
        """
        given = checked_shape(shape)
        for array in self.arrays:
            if array.ndim not in (None, len(given)):
                msg = (
                    f"This is the cost for parameters of {array.ndim} dimensions, and {given} has "
                    f"{len(given)}; write rule.cost(shape={given}).state_bytes({given})."
                )
                raise HyperparameterError(msg)
        return sum(math.prod(a.array_shape(given)) * a.itemsize for a in self.arrays)

    @property
    def scalars(self) -> str:
        """The number of operations on scalars, in words."""
        return f"{counted(self.scalar_operations, 'operation')} per group or tensor"

    def card(self) -> ShownCard:
        """Return the cost as a table; print it, or write `.html()`."""
        operations = ", ".join(f"{n} {name}" for name, n in self.operations_per_element.items())
        rows = (
            ("traffic", f"{self.bytes_per_element:.4g} bytes per element"),
            ("states", f"{self.state_bytes_per_element:.4g} bytes per element"),
            *((f"states per {what}", f"{n} bytes") for what, n in self.other_state_bytes.items()),
            ("arithmetic", f"{operations} per element"),
            ("scalars", self.scalars),
        )
        return ShownCard(
            "Cost", "of one update", "", sections(("", [Table(("what", "how much"), rows)]))
        )

    def __str__(self) -> str:
        operations = ", ".join(f"{n} {name}" for name, n in self.operations_per_element.items())
        others = ", ".join(f"{n} per {what}" for what, n in self.other_state_bytes.items())
        return (
            f"{self.bytes_per_element:.4g} bytes of traffic and {self.state_bytes_per_element:.4g} "
            f"bytes of state per element; {f'besides {others} of state; ' if others else ''}"
            f"{operations} per element; {self.scalars}"
        )


def cost(program: Program) -> Cost:
    """Return traffic, memory and arithmetic of a compiled rule."""
    counted: Counter[str] = Counter()
    for block in program.kernel.passes:
        for item in (*block.computes, *block.reduces):
            counted += count_operations(item.expression)
        counted["add"] += len(block.reduces)
    scalars: Counter[str] = Counter()
    for block in program.kernel.blocks:
        if block.domain != Domain.ELEMENT:
            for compute in block.computes:
                scalars += count_operations(compute.expression)
    others: Counter[str] = Counter()
    for state in (spec.symbol for spec in program.rule.states):
        if state not in program.layout.element_states:
            others[_what_has_a_value(state)] += storage_of(program, state).itemsize
    return Cost(
        bytes_per_element=whole(bytes_per_element(program)),
        state_bytes_per_element=whole(program.layout.state_bytes),
        other_state_bytes=dict(others),
        operations_per_element={name: n for name, n in sorted(counted.items()) if n},
        scalar_operations=scalars.total(),
        arrays=tuple(_state_arrays(program)),
    )


_AXES = {(0,): "row", (1,): "column"}


def _what_has_a_value(state: StateSymbol) -> str:
    """Return what a state that is not of elements has a value for."""
    shape = state.shape
    if isinstance(shape, str):
        return shape
    if isinstance(shape, Sides):
        return " x ".join(map(str, shape))
    return _AXES.get(shape, f"index of axes {', '.join(map(str, shape))}")


def _state_arrays(program: Program) -> Iterator[StateArray]:
    """Yield the arrays that states and the rests of master weights are kept in."""
    for state in (spec.symbol for spec in program.rule.states):
        storage = storage_of(program, state)
        ndim = program.kernel.ndim if is_array(state) and state.shape != "element" else None
        yield StateArray(state.name, storage.name, storage.itemsize, ndim, state.array_shape)
    for own in program.layout.companions:
        yield StateArray(own.key, own.dtype, own.itemsize, None, own.array_shape)
