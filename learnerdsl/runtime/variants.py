"""One engine for the variants of a rule, which is traced differently for different shapes."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from learnerdsl.errors import RuleError
from learnerdsl.expr import CLOCK
from learnerdsl.kernels.slots import TENSOR_SIZE
from learnerdsl.monoids import Monoid
from learnerdsl.pipeline import Program, stages
from learnerdsl.runtime.arrays.host import Gradient
from learnerdsl.runtime.engine import HostStates
from learnerdsl.runtime.tables.units import sweep_of


class MixedEngine(HostStates):
    """Combines one engine for each variant of a rule; see `Engine`.

    The variants' partial results of a reduction over the model are combined as soon as every
    variant has computed its own. Model rows begin with the same slots in all variants (clock,
    hyperparameters, extras, model-wide states); the first engine holds their current values.

    Args:
        programs: the compiled variant of the rule for each tensor.
        make: makes the engine of a variant, for the tensors with the given numbers.
    """

    def __init__(
        self, programs: Sequence[Program], make: Callable[[Program, list[int]], Any]
    ) -> None:
        # Keyed by identity, since hashing a rule is slow.
        self.members: dict[int, list[int]] = {}
        for k, program in enumerate(programs):
            self.members.setdefault(id(program), []).append(k)
        self.engines = [make(programs[own[0]], own) for own in self.members.values()]
        self.place = {
            k: (engine, index)
            for engine, own in zip(self.engines, self.members.values(), strict=True)
            for index, k in enumerate(own)
        }
        self.first = self.engines[0]
        rule = self.first.program.rule
        model_states = [s for s in rule.states if s.symbol.shape == "model"]
        scalars = [extra for extra in rule.extras if extra.shape == "model"]
        self.shared = len(CLOCK) + len(rule.hyperparameters) + len(scalars) + len(model_states)
        self.meetings = _meetings([engine.program for engine in self.engines])
        self.take_over()
        self.count_model()

    def take_over(self) -> None:
        """Do nothing: on the host, model rows are copied between engines when they are needed."""

    @property
    def clock(self) -> Any:
        """Step count, samples seen and minibatch size of the first engine (groups, 3), float64."""
        return self.first.clock

    @property
    def model_states(self) -> Any:
        """The model-wide states of the first engine: name -> values (groups,), float64."""
        return self.first.model_states

    @property
    def states(self) -> dict[str, list[Any]]:
        """The states: name -> one array for each tensor.

        Arrays of ring buffers rotate: after an update, other arrays hold the same ages.
        """
        self.share_rows()
        return self.gather([engine.states for engine in self.engines])

    def share_rows(self) -> None:
        """Copy the shared slots of the first engine's model rows into all other engines."""
        for engine in self.engines[1:]:
            engine.share_rows(self.first, self.shared)

    def gather(self, of_engines: Sequence[Mapping[str, list[Any]]]) -> dict[str, list]:
        """Merge the states of the engines: name -> an array, or None, for each tensor."""
        states: dict[str, list[Any]] = {}
        for own, of_engine in zip(self.members.values(), of_engines, strict=True):
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

    @property
    def threads(self) -> str:
        """A description of what runs the updates of the first variant."""
        return self.first.threads

    def use_threads(self, is_parallel: bool) -> None:
        """Launch on Numba's threads, or in the calling thread alone."""
        for engine in self.engines:
            engine.use_threads(is_parallel)

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Pass each array to the engine of its tensor."""
        for k, array, address in zip(indices, arrays, addresses, strict=True):
            engine, index = self.place[k]
            engine.bind(column, [index], [array], [address])

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Select the rows and count the elements of the model again."""
        self.select_in_engines(rows)
        self.count_model()

    def select_in_engines(self, rows: Mapping[int, np.ndarray]) -> None:
        """Pass the rows of each tensor to its engine."""
        of_engines: dict[int, dict[int, np.ndarray]] = {}
        for k, own in rows.items():
            engine, index = self.place[k]
            of_engines.setdefault(id(engine), {})[index] = own
        for engine in self.engines:
            engine.select_rows(of_engines.get(id(engine), {}))

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Set it in the first engine, which shares its rows with the others."""
        self.first.set_hyperparameter(group, index, value)

    def set_seed(self, seed: int) -> None:
        """Set it in the first engine, which shares its rows with the others."""
        self.first.set_seed(seed)

    def set_extra(self, name: str, value: float) -> None:
        """Set it in the first engine, which shares its rows with the others."""
        self.first.set_extra(name, value)

    def launch(self) -> Any:
        """Do one update of all tensors; return how many gradient values are NaN or infinite."""
        self.share_rows()
        refused = sum(engine.run(0, 1) for engine in self.engines)
        if not refused:
            self.proceed()
        return refused

    def launch_without(self, absent: Sequence[int]) -> Any:
        """Do one update of all tensors except these."""
        for engine, own in zip(self.engines, self.members.values(), strict=True):
            left_out = set(absent)
            engine.set_aside([index for index, k in enumerate(own) if k in left_out])
        try:
            if len(absent) < len(self.place):
                return self.launch()
            for engine in self.engines:
                engine.count_update()
            return 0.0
        finally:
            for engine in self.engines:
                engine.put_back()

    def set_clock(self, step_count: int, samples: float) -> None:
        """Set the number of updates of all tensors and the number of samples seen."""
        for engine in self.engines:
            engine.set_clock(step_count, samples)

    @property
    def missed_steps(self) -> list[int]:
        """For each tensor, the number of updates that skipped it."""
        of_engines = {id(engine): engine.missed_steps for engine in self.engines}
        return [
            of_engines[id(e)][index] for e, index in (self.place[k] for k in range(len(self.place)))
        ]

    @missed_steps.setter
    def missed_steps(self, missed: Sequence[int]) -> None:
        """Set the number of updates that skipped each tensor."""
        for engine, own in zip(self.engines, self.members.values(), strict=True):
            engine.missed_steps = [missed[k] for k in own]

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
        for monoid, places in self.meetings[number][1]:
            parts = [e.model_rows[0, slot] for e, slot in zip(self.engines, places, strict=True)]
            total = monoid.ufunc.reduce(parts)
            for engine, slot in zip(self.engines, places, strict=True):
                engine.model_rows[:, slot] = total


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
