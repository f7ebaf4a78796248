"""One CPU engine for the variants of a rule, which is traced differently for other shapes."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from learnerdsl.runtime.cpu.engine import CpuEngine
from learnerdsl.runtime.engine import HostStates
from learnerdsl.runtime.variants import MixedEngine


class CpuMixedEngine(MixedEngine[CpuEngine], HostStates):
    """Combines one CPU engine for each variant of a rule; see `Engine`.

    The shared slots of model rows are copied from the first engine when another one needs them.
    """

    @property
    def clock(self) -> np.ndarray:
        """Step count, samples seen and minibatch size of the first engine (groups, 3), float64."""
        return self.first.clock

    @property
    def model_states(self) -> Mapping[str, np.ndarray]:
        """The model-wide states of the first engine: name -> values (groups,), float64."""
        return self.first.model_states

    @property
    def states(self) -> dict[str, list[Any]]:
        """The states: name -> one array for each tensor.

        Arrays of ring buffers rotate: after an update, other arrays hold the same ages.
        """
        self.share_rows()
        return self.gather([engine.states for engine in self.engines])

    @property
    def has_own_steps(self) -> bool:
        """Whether an update has ever skipped a tensor."""
        return any(engine.has_own_steps for engine in self.engines)

    @property
    def takes_addresses(self) -> bool:
        """Whether the engines of all variants take addresses."""
        return all(engine.takes_addresses for engine in self.engines)

    def bind_addresses(self, addresses: np.ndarray) -> None:
        """Pass each address to the engine of its tensor."""
        for engine, own in zip(self.engines, self.numbers, strict=True):
            engine.bind_addresses(addresses[own])

    @cached_property
    def numbers(self) -> list[np.ndarray]:
        """For each engine the numbers of its tensors, as an array."""
        return [np.array(own, np.int64) for own in self.members]

    def share_rows(self) -> None:
        """Copy the shared slots of the first engine's model rows into all other engines."""
        for engine in self.engines[1:]:
            engine.share_rows(self.first, self.shared)

    def borrow_states(self, lender: Any) -> None:
        """Keep the states in the memory of another engine of the same tensors."""
        for engine, own in zip(self.engines, self.members, strict=True):
            engine.borrow([lender.holder(k) for k in own])

    def holder(self, tensor: int) -> tuple[CpuEngine, int]:
        """Return the engine that has the states of a tensor, and the number of the tensor in it."""
        return self.place[tensor]

    def use_threads(self, is_parallel: bool) -> None:
        """Launch on Numba's threads, or in the calling thread alone."""
        for engine in self.engines:
            engine.use_threads(is_parallel)

    def use_num_threads(self, count: int) -> None:
        """Use at most so many threads from the next launch on; 0 to follow `set_num_threads`."""
        for engine in self.engines:
            engine.use_num_threads(count)

    def launch(self) -> float:
        """Do one update of all tensors; return how many gradient values are NaN or infinite."""
        self.share_rows()
        refused = sum(engine.run(0, 1) for engine in self.engines)
        if not refused:
            self.proceed()
        return refused

    def launch_without(self, absent: Sequence[int]) -> float:
        """Do one update of all tensors except these."""
        for engine, own in zip(self.engines, self.members, strict=True):
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
        for engine, own in zip(self.engines, self.members, strict=True):
            engine.missed_steps = [missed[k] for k in own]

    def join_totals(self, number: int) -> None:
        """Combine the partial results of a meeting and write the totals into every variant."""
        for monoid, places in self.meetings[number][1]:
            parts = [e.model_rows[0, slot] for e, slot in zip(self.engines, places, strict=True)]
            total = monoid.ufunc.reduce(parts)
            for engine, slot in zip(self.engines, places, strict=True):
                engine.model_rows[:, slot] = total
