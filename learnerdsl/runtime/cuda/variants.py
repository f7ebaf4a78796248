"""One CUDA engine for the variants of a rule, which is traced differently for other shapes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learnerdsl.monoids import Monoid
from learnerdsl.runtime.cuda import builtin_kernels
from learnerdsl.runtime.cuda.device import Launch, Words
from learnerdsl.runtime.cuda.engine import CudaEngine
from learnerdsl.runtime.cuda.whole_updates import WholeUpdates
from learnerdsl.runtime.engine import Outcome
from learnerdsl.runtime.variants import MixedEngine


class CudaMixedEngine(WholeUpdates, MixedEngine[CudaEngine]):
    """Combines one CUDA engine for each variant of a rule; see `Engine`.

    Shared values stay on the device. All engines have one gate, and launches between the engines
    combine their totals.
    """

    def __init__(self, engines: Sequence[CudaEngine], members: Sequence[Sequence[int]]) -> None:
        super().__init__(engines, members)
        self.sizes = range(len(self.place))
        self.device, self.stream = self.first.device, self.first.stream
        self.check_finite = self.first.check_finite
        self.gates: list[Launch] = []
        if self.check_finite:
            gate = self.first.keep(np.zeros(1))
            found = self.first.keep(np.array([e.at.found for e in self.engines], np.int64))
            self.gates = [self.prepared(builtin_kernels.add_up, found, len(self.engines), gate)]
            for engine in self.engines:
                engine.at.gate = gate
        self.plan_joins()
        self.replan()

    def plan_joins(self) -> None:
        """Plan the launches that combine reductions over the model between the engines."""
        self.joins = [
            [self.join(monoid, places) for monoid, places in slots] for _, slots in self.meetings
        ]

    def guard(self) -> Any:
        """Refuse updates unless a float64 on the device is 0; see `CudaEngine.guard`."""
        is_new = self.first.guarded is None
        gate = self.first.guard()
        if is_new:
            for engine in self.engines[1:]:
                engine.guard(gate)
            self.plan_joins()
            self.replan()
        return gate

    @property
    def device_clock(self) -> Any:
        """The number of updates that the device has counted."""
        return self.first.device_clock

    @property
    def has_unsent(self) -> bool:
        """Whether inputs of the next update have changed since they were sent."""
        return any(engine.has_unsent for engine in self.engines)

    def count_replays(self) -> None:
        """Take over the updates that CUDA graphs have replayed."""
        self.first.count_replays()

    def prepared(self, kernel: Any, *words: int) -> Launch:
        """Return a launch of one block."""
        return Launch(kernel, self.device.load(kernel), 1, Words(words))

    def join(self, monoid: Monoid, places: Sequence[int]) -> Launch:
        """Return the launch that combines a reduction over the model across the variants."""
        table = [
            (e.at.model_rows, e.model_rows.shape[1], slot)
            for e, slot in zip(self.engines, places, strict=True)
        ]
        address = self.first.keep(np.array(table, np.int64))
        groups = len(self.first.model_rows)
        words = (address, len(table), monoid.code, groups, self.first.at.gate)
        return self.prepared(builtin_kernels.join_model, *words)

    def replan(self) -> None:
        """Plan the launches of all engines, which start from the first one's model rows."""
        source, groups = self.first.at, len(self.first.model_rows)
        for engine in self.engines:
            engine.plan_launches()
        for engine in self.engines[1:]:
            widths = (self.first.model_rows.shape[1], engine.model_rows.shape[1])
            words = (source.model_rows, engine.at.model_rows, source.gate, *widths, self.shared)
            engine.begin = self.prepared(builtin_kernels.share_rows, *words, groups)

    def select_rows(self, rows: Mapping[int, np.ndarray]) -> None:
        """Pass the rows of each tensor to its engine, and plan all launches again."""
        super().select_rows(rows)
        self.replan()

    def choose_gradients(self, kinds: Sequence[str | None]) -> list[str]:
        """Let each engine choose the number types of its gradients, and plan all launches again."""
        chosen = super().choose_gradients(kinds)
        self.replan()
        return chosen

    def launch(self) -> float | Outcome:
        """Start one update of all tensors."""
        with self.device.activate():
            stream = self.stream()
            captured = [engine.send(stream) for engine in self.engines]
            for engine in self.engines:
                engine.run(0, 1)
            for launch in (*self.gates, *(engine.begin for engine in self.engines)):
                self.device.launch(launch, stream)
            self.proceed()
            for engine in self.engines:
                engine.has_run = True
            self.first.steps_begun += not captured[0]
            return self.first.outcome(stream, captured[0]) if self.check_finite else 0.0

    def join_totals(self, number: int) -> None:
        """Combine the partial results of a meeting and write the totals into every variant."""
        for launch in self.joins[number]:
            self.device.launch(launch, self.stream())

    def refresh(self) -> None:
        """Send changed values before a CUDA graph replays an update, and count that update."""
        self.first.refresh()

    def find_nonfinite(self, gradients: Sequence[Any]) -> list[int]:
        """Return the numbers of the tensors with NaN or infinite gradients at the last check."""
        found = [engine.find_nonfinite(gradients) for engine in self.engines]
        return sorted(own[k] for own, ks in zip(self.members, found, strict=True) for k in ks)

    @property
    def states(self) -> dict[str, list[Any]]:
        """The states: name -> an array on the device, or None, for each tensor."""
        self.count_steps()
        return self.gather([engine.states for engine in self.engines])

    def count_steps(self) -> None:
        """Copy the first engine's step count to all: it decides which memory a ring uses."""
        device_steps = self.first.device_steps
        for engine in self.engines[1:]:
            engine.steps_begun = device_steps

    def owned_states(self) -> dict[str, list[Any]]:
        """Return the states as arrays of the library that allocated their memory."""
        self.count_steps()
        return self.gather([engine.owned_states() for engine in self.engines])

    def state_spans(self) -> list[tuple[int, int, int]]:
        """Return the memory of each state array: first byte, end, number of its tensor."""
        return [
            (start, end, own[k])
            for engine, own in zip(self.engines, self.members, strict=True)
            for start, end, k in engine.state_spans()
        ]

    def read_states(self) -> dict[str, list[Any]]:
        """Return copies of the states as NumPy arrays."""
        self.count_steps()
        return self.gather([engine.read_states() for engine in self.engines])

    def read_model_states(self) -> dict[str, float]:
        """Return the model-wide states: name -> value."""
        return self.first.read_model_states()

    def write_states(self, values: Mapping[str, Any]) -> None:
        """Set the states: an array for each tensor, or one number for a model-wide state."""
        self.count_steps()
        for engine, own in zip(self.engines, self.members, strict=True):
            names = [spec.symbol.name for spec in engine.program.rule.states]
            names += [companion.key for companion in engine.program.layout.companions]
            given = {name: values[name] for name in names}
            engine.write_states(
                {n: [v[k] for k in own] if isinstance(v, list) else v for n, v in given.items()}
            )

    def borrow_states(self, lender: Any) -> None:
        """Keep the states in the memory of another engine of the same tensors."""
        self.borrow([lender.holder(k) for k in range(len(self.place))])

    def borrow(self, holders: Sequence[Any]) -> None:
        """Keep the states of each tensor in the memory of another engine."""
        for engine, own in zip(self.engines, self.members, strict=True):
            engine.borrow([holders[k] for k in own])

    @property
    def leader(self) -> CudaEngine:
        """The engine that has the clock."""
        return self.first

    @property
    def lends_states(self) -> bool:
        """Whether another engine can keep the states of its tensors in the memory of these."""
        return all(engine.lends_states for engine in self.engines)

    def follow(self, other: CudaEngine, own: Sequence[Any], steps: int, count: int) -> None:
        """Continue after updates by other engines; see `DeviceStates.follow`."""
        for engine, numbers in zip(self.engines, self.members, strict=True):
            engine.follow(other, [own[k] for k in numbers], steps, count)

    def holder(self, tensor: int) -> tuple[CudaEngine, int]:
        """Return the engine that has the states of a tensor, and the number of the tensor in it."""
        return self.place[tensor]

    def scalar_states(self) -> dict[str, list[Any]]:
        """Return copies of the states with one value per tensor: name -> values."""
        return self.gather([engine.scalar_states() for engine in self.engines])

    def take_scalars(self, other: Any) -> None:
        """Set the states with one value per tensor, or for the model, to those of another."""
        tensor, model = other.scalar_states(), other.read_model_states()
        for engine, own in zip(self.engines, self.members, strict=True):
            names = {spec.symbol.name for spec in engine.program.rule.states}
            mine = {n: [v[k] for k in own] for n, v in tensor.items() if n in names}
            engine.put_scalars(mine, model)

    @property
    def step_count(self) -> int:
        """The number of updates done."""
        return self.first.step_count

    @property
    def missed(self) -> int:
        """The number of updates that skipped all tensors."""
        return self.first.missed

    def miss(self, missed: int) -> None:
        """Let all engines count from a step that is so much less than `step_count`."""
        for engine in self.engines:
            engine.miss(missed)

    @property
    def takes_addresses(self) -> bool:
        """Whether the engines of all variants take addresses."""
        return all(engine.takes_addresses for engine in self.engines)

    def bind_addresses(self, addresses: np.ndarray) -> None:
        """Pass each address to the engine of its tensor."""
        for engine, own in zip(self.engines, self.members, strict=True):
            engine.bind_addresses(addresses[list(own)])

    @property
    def planned_steps(self) -> int:
        """The number of updates before the next one."""
        return self.first.planned_steps

    @property
    def samples(self) -> float:
        """The number of samples seen."""
        return self.first.samples

    def set_minibatch_size(self, value: float) -> None:
        """Set the number of samples of the next updates."""
        self.first.set_minibatch_size(value)
