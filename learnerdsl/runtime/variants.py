"""One engine for the variants of a rule, which is traced differently for different shapes."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from learnerdsl.errors import RuleError
from learnerdsl.expr import CLOCK
from learnerdsl.kernels.slots import TENSOR_SIZE
from learnerdsl.monoids import Monoid
from learnerdsl.pipeline import Program, stages
from learnerdsl.runtime.arrays.host import Gradient
from learnerdsl.runtime.tables.units import sweep_of


class Variant(Protocol):
    """The engine of one variant, as far as `MixedEngine` uses it; see `Engine` and `Tables`.

    Attributes:
        program: the compiled variant.
        tensor_rows: scalars of each tensor (tensors, slots), float64.
    """

    program: Program
    tensor_rows: np.ndarray

    @property
    def threads(self) -> str:
        """A description of what runs the updates."""
        ...

    @property
    def units(self) -> int:
        """The number of units of an update; see `runtime/tables/units.py`."""
        ...

    def run(self, first: int, last: int) -> float:
        """Run the units from `first` up to `last`; see `Engine.launch` for what it returns."""
        ...

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Use these arrays in all following updates."""
        ...

    def choose_gradients(self, kinds: Sequence[str | None]) -> list[str]:
        """Choose the number types in which gradients are read; see `Engine`."""
        ...

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Restrict the next updates to some rows."""
        ...

    def set_extra(self, name: str, value: float) -> None:
        """Set the value of a scalar extra."""
        ...

    def set_value(self, name: str, tensor: int, value: Any) -> None:
        """Set an extra of one tensor; see `Engine`."""
        ...

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Set the hyperparameter number `index` of a group."""
        ...

    def set_seed(self, seed: int) -> None:
        """Set the seed of the random numbers."""
        ...

    def set_model_size(self, value: float) -> None:
        """Set the number of elements of the model, if other engines hold some of them."""
        ...

    def set_clock(self, step_count: int, samples: float) -> None:
        """Set the number of updates done and the number of samples seen."""
        ...


V = TypeVar("V", bound=Variant)


class MixedEngine(Generic[V]):
    """The engines of the variants of a rule as one; what every target has in common.

    The variants' partial results of a reduction over the model are combined as soon as every
    variant has computed its own. Model rows begin with the same slots in all variants (clock,
    hyperparameters, extras, model-wide states); the first engine holds their current values.

    Args:
        engines: the engine of each variant.
        members: for each engine the numbers of its tensors.
    """

    def __init__(self, engines: Sequence[V], members: Sequence[Sequence[int]]) -> None:
        self.engines = engines
        self.members = members
        self.place = {
            k: (engine, index)
            for engine, own in zip(engines, members, strict=True)
            for index, k in enumerate(own)
        }
        self.first = engines[0]
        rule = self.first.program.rule
        model_states = [s for s in rule.states if s.symbol.shape == "model"]
        scalars = [extra for extra in rule.extras if extra.shape == "model"]
        self.shared = len(CLOCK) + len(rule.hyperparameters) + len(scalars) + len(model_states)
        self.meetings = _meetings([engine.program for engine in engines])
        self.count_model()

    @property
    def threads(self) -> str:
        """A description of what runs the updates of the first variant."""
        return self.first.threads

    def gather(self, of_engines: Sequence[Mapping[str, list[Any]]]) -> dict[str, list[Any]]:
        """Merge the states of the engines: name -> an array, or None, for each tensor."""
        states: dict[str, list[Any]] = {}
        for own, of_engine in zip(self.members, of_engines, strict=True):
            for name, arrays in of_engine.items():
                if name not in states:
                    states[name] = [None] * len(self.place)
                for k, array in zip(own, arrays, strict=True):
                    states[name][k] = array
        return states

    def count_model(self) -> None:
        """Set the size of the model to the number of elements of all variants."""
        size = sum(engine.tensor_rows[:, TENSOR_SIZE].sum() for engine in self.engines)
        self.first.set_model_size(float(size))

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Pass the arrays of its tensors to each engine."""
        given: dict[int, tuple[V, list[int], list[Gradient], list[int]]] = {}
        for k, array, address in zip(indices, arrays, addresses, strict=True):
            engine, index = self.place[k]
            _, own, own_arrays, own_addresses = given.setdefault(id(engine), (engine, [], [], []))
            own.append(index)
            own_arrays.append(array)
            own_addresses.append(address)
        for engine, own, own_arrays, own_addresses in given.values():
            engine.bind(column, own, own_arrays, own_addresses)

    def choose_gradients(self, kinds: Sequence[str | None]) -> list[str]:
        """Let each engine choose the number types of its tensors' gradients."""
        chosen: dict[int, str] = {}
        for engine, own in zip(self.engines, self.members, strict=True):
            of_engine = engine.choose_gradients([kinds[k] for k in own])
            chosen |= dict(zip(own, of_engine, strict=True))
        return [chosen[k] for k in range(len(kinds))]

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Pass the rows of each tensor to its engine, and count the elements of the model again."""
        of_engines: dict[int, dict[int, np.ndarray]] = {}
        for k, own in rows.items():
            engine, index = self.place[k]
            of_engines.setdefault(id(engine), {})[index] = own
        for engine in self.engines:
            engine.select_rows(of_engines.get(id(engine), {}))
        self.count_model()

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Set it in the first engine, which shares its rows with the others."""
        self.first.set_hyperparameter(group, index, value)

    def set_seed(self, seed: int) -> None:
        """Set it in the first engine, which shares its rows with the others."""
        self.first.set_seed(seed)

    def set_extra(self, name: str, value: float) -> None:
        """Set it in the first engine, which shares its rows with the others."""
        self.first.set_extra(name, value)

    def set_value(self, name: str, tensor: int, value: Any) -> None:
        """Set an extra of a tensor in its engine."""
        engine, index = self.place[tensor]
        engine.set_value(name, index, value)

    def set_clock(self, step_count: int, samples: float) -> None:
        """Set the number of updates of all tensors and the number of samples seen."""
        for engine in self.engines:
            engine.set_clock(step_count, samples)

    def proceed(self) -> None:
        """Run all units after the check, from one meeting of the variants to the next."""
        reached = [1] * len(self.engines)
        for number, (levels, _) in enumerate(self.meetings):
            for e, engine in enumerate(self.engines):
                stop = sweep_of(levels[e]) + 1
                engine.run(reached[e], stop)
                reached[e] = stop
            self.join_totals(number)
        for engine, start in zip(self.engines, reached, strict=True):
            engine.run(start, engine.units)

    def join_totals(self, number: int) -> None:
        """Combine the partial results of a meeting and write the totals into every variant."""
        raise NotImplementedError


Meeting = tuple[tuple[int, ...], list[tuple[Monoid, list[int]]]]
"""A point where all variants wait for each other: for each variant the level whose sweep comes
before it; then, for each reduction over the model that is complete there, its monoid and its slot
in each variant."""


def _meetings(programs: Sequence[Program]) -> list[Meeting]:
    """Return the points where the variants wait for each other, in the order of execution."""
    own = [_model_sums(program) for program in programs]
    meetings: dict[tuple[int, ...], list[tuple[Monoid, list[int]]]] = {}
    for sums in zip(*own, strict=True):
        levels = tuple(level for level, _, _ in sums)
        meetings.setdefault(levels, []).append((sums[0][1], [s for _, _, s in sums]))
    ordered = sorted(meetings.items())
    for (before, _), (after, _) in pairwise(ordered):
        if any(a > b for a, b in zip(before, after, strict=True)):
            msg = (
                f"Rule {programs[0].rule.name} computes its reductions over the model in different "
                "orders for tensors of different shapes; in every branch on ndim or shape, write "
                "a reduction after those that it depends on."
            )
            raise RuleError(msg)
    return ordered


def _model_sums(program: Program) -> list[tuple[int, Monoid, int]]:
    """Return (level, monoid, slot) of the reductions over the model, in source order."""
    written = [r.symbol for block in stages(program.rule)["lower"].blocks for r in block.reduces]
    found = [
        (
            written.index(reduce.symbol),
            (level, reduce.monoid, program.layout.model.index(reduce.symbol)),
        )
        for level, block in enumerate(program.kernel.passes)
        for reduce in block.reduces
        if reduce.over == "model"
    ]
    return [where for _, where in sorted(found)]
