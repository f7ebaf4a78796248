"""Engines of one rule traced differently for tensors of different shapes, run as one."""

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
    """One engine for each variant of a rule; see `Engine`.

    Sums over the model are added up where every variant has reached them. Model rows start with
    the same slots in all variants (clock, hyperparameters, extras, states of the model); those of
    the first engine count.

    Args:
        programs: for each tensor the compiled variant of the rule.
        make: function of a variant and of the numbers of its tensors that makes an engine.
    """

    def __init__(
        self, programs: Sequence[Program], make: Callable[[Program, list[int]], Any]
    ) -> None:
        # By their identity, as hashing a rule takes long.
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
        """Nothing: what the engines have of the model is looked up where it is asked for."""

    @property
    def clock(self) -> Any:
        """Step count, samples seen and minibatch size in the rows of the first engine."""
        return self.first.clock

    @property
    def model_states(self) -> Any:
        """State of the model -> its value in the rows of the first engine."""
        return self.first.model_states

    @property
    def states(self) -> dict[str, list[Any]]:
        """State name -> for each tensor its array; those of rings are others after each update."""
        self.share_rows()
        return self.gather([engine.states for engine in self.engines])

    def share_rows(self) -> None:
        """Give all engines what the first one has of the model."""
        for engine in self.engines[1:]:
            engine.share_rows(self.first, self.shared)

    def gather(self, of_engines: Sequence[Mapping[str, list[Any]]]) -> dict[str, list]:
        """State name -> for each tensor its array, or None where its variant has no such state."""
        states: dict[str, list[Any]] = {}
        for own, of_engine in zip(self.members.values(), of_engines, strict=True):
            for name, arrays in of_engine.items():
                if name not in states:
                    states[name] = [None] * len(self.place)
                for k, array in zip(own, arrays, strict=True):
                    states[name][k] = array
        return states

    def count_model(self) -> None:
        """The size of the model is that of all variants together."""
        size = sum(engine.tensor_rows[:, TENSOR_SIZE].sum() for engine in self.engines)
        self.first.set_model_size(float(size))

    @property
    def threads(self) -> str:
        """What runs the updates, of the first variant."""
        return self.first.threads

    def use_threads(self, is_parallel: bool) -> None:
        """Launch on all threads of Numba, or in the calling thread alone."""
        for engine in self.engines:
            engine.use_threads(is_parallel)

    def bind(
        self,
        column: int,
        indices: Sequence[int],
        arrays: Sequence[Gradient],
        addresses: Sequence[int],
    ) -> None:
        """Hand the arrays to the engines of their tensors."""
        for k, array, address in zip(indices, arrays, addresses, strict=True):
            engine, index = self.place[k]
            engine.bind(column, [index], [array], [address])

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Select rows in the engines of their tensors."""
        self.select_in_engines(rows)
        self.count_model()

    def select_in_engines(self, rows: Mapping[int, np.ndarray]) -> None:
        """Select rows in the engines of their tensors."""
        of_engines: dict[int, dict[int, np.ndarray]] = {}
        for k, own in rows.items():
            engine, index = self.place[k]
            of_engines.setdefault(id(engine), {})[index] = own
        for engine in self.engines:
            engine.select_rows(of_engines.get(id(engine), {}))

    def set_hyperparameter(self, group: int, index: int, value: float) -> None:
        """Set it in the row that counts."""
        self.first.set_hyperparameter(group, index, value)

    def set_seed(self, seed: int) -> None:
        """Set it in the row that counts."""
        self.first.set_seed(seed)

    def set_extra(self, name: str, value: float) -> None:
        """Set it in the row that counts."""
        self.first.set_extra(name, value)

    def launch(self) -> Any:
        """One update of all tensors; returns how many gradient values forbid it."""
        self.share_rows()
        refused = sum(engine.run(0, 1) for engine in self.engines)
        if not refused:
            self.proceed()
        return refused

    def launch_without(self, absent: Sequence[int]) -> Any:
        """One update of the tensors but for these."""
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
        """Go on as if so many updates had been done of all tensors, of so many samples."""
        for engine in self.engines:
            engine.set_clock(step_count, samples)

    @property
    def missed_steps(self) -> list[int]:
        """For each tensor, how many of the updates left it out."""
        of_engines = {id(engine): engine.missed_steps for engine in self.engines}
        return [
            of_engines[id(e)][index] for e, index in (self.place[k] for k in range(len(self.place)))
        ]

    @missed_steps.setter
    def missed_steps(self, missed: Sequence[int]) -> None:
        """Go on as if so many updates had left out each tensor."""
        for engine, own in zip(self.engines, self.members.values(), strict=True):
            engine.missed_steps = [missed[k] for k in own]

    def proceed(self) -> None:
        """All but the check, from one meeting of the variants to the next."""
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
        """Give every variant the sums, or the maxima, of what all of them found at a meeting."""
        for monoid, places in self.meetings[number][1]:
            parts = [e.model_rows[0, slot] for e, slot in zip(self.engines, places, strict=True)]
            total = monoid.ufunc.reduce(parts)
            for engine, slot in zip(self.engines, places, strict=True):
                engine.model_rows[:, slot] = total


Meeting = tuple[tuple[int, ...], list[tuple[Monoid, list[int]]]]
"""For each variant the level of a pass; then, for each sum over the model that it completes,
its monoid, and its slot in each variant."""


def _meetings(programs: Sequence[Program]) -> list[Meeting]:
    """Where the variants have to wait for each other."""
    own = [_model_sums(program) for program in programs]
    meetings: dict[tuple[int, ...], list[tuple[Monoid, list[int]]]] = {}
    for sums in zip(*own, strict=True):
        levels = tuple(level for level, _, _ in sums)
        meetings.setdefault(levels, []).append((sums[0][1], [s for _, _, s in sums]))
    ordered = sorted(meetings.items())
    for (before, _), (after, _) in pairwise(ordered):
        if any(a > b for a, b in zip(before, after, strict=True)):
            msg = (
                f"Rule {programs[0].rule.name} needs its reductions over the model in another "
                "order for tensors of other shapes; write one that needs another below it in all "
                "branches on ndim or shape."
            )
            raise RuleError(msg)
    return ordered


def _model_sums(program: Program) -> list[tuple[int, Monoid, int]]:
    """(level, monoid, slot) of the reductions over the model, in the order they are written in."""
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
