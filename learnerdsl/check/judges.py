"""Three judges of one rule on the same arrays: compiled, interpreted, and its function run on them.

Every update starts from what the compiled learner holds, so that each is judged by itself and small
differences do not grow over the updates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.check.comparison import Deviation, deviation
from learnerdsl.check.context import Inputs
from learnerdsl.check.running import OnArrays
from learnerdsl.check.values import Precision, Value
from learnerdsl.define import UpdateRule
from learnerdsl.learner import Learner
from learnerdsl.runtime.arrays.sparse import RowSparse
from learnerdsl.tracing import Rule


@dataclass(frozen=True)
class Judgement:
    """One array after one update, as the judges see it.

    Attributes:
        update: number of the update; 0 for what states start from.
        tensor: number of the tensor.
        state: name of the state, "parameter" or "evaluation parameter".
        value: what the function on arrays gives.
        compiled: the compiled learner's array.
        oracle: the oracle's.
        by_compiled: how far the compiled learner's array is from the value.
        by_oracle: the same for the oracle's.
    """

    update: int
    tensor: int
    state: str
    value: Value
    compiled: Any
    oracle: Any
    by_compiled: Deviation
    by_oracle: Deviation


class Judges:
    """A compiled learner, the oracle and the function on arrays, side by side.

    Args:
        rule: a rule or chain.
        params: arrays, which are copied.
        backend: of the compiled learner.
        groups: as those of a learner.
        seed: of the rule's random numbers.
        arguments: hyperparameters and options.
    """

    def __init__(
        self,
        rule: UpdateRule,
        params: Sequence[np.ndarray],
        *,
        backend: str = "auto",
        groups: Sequence[Mapping[str, Any]] = (),
        seed: int = 0,
        **arguments: Any,
    ) -> None:
        self.parameters = [np.array(p) for p in params]
        self.twins = [np.array(p) for p in params]
        more = {"groups": list(groups), "seed": seed, **arguments}
        self.learner: Learner = rule(self.parameters, backend=backend, **more)
        self.oracle: Learner = rule(self.twins, backend="numpy", **more)
        self.function = OnArrays.of(rule)
        described = self.learner.state_dict()
        self.rules: list[Rule] = self.learner._rules
        self.options: dict[str, Any] = described["options"]
        self.group_of = [row[3] for row in described["parameters"]]
        self.kind = Precision.of(self.parameters[0].dtype)
        self.clock = {"step": 0.0, "samples": 0.0, "minibatch_size": 1.0, "seed": float(seed)}

    def start(self) -> list[Judgement]:
        """Judge the start values of the states."""
        ones = [np.ones_like(p) for p in self.parameters]
        inputs = self.inputs(ones, {}, starting=True)
        runs = self.function(inputs, self.options, "start")
        return self.judged(0, [run.starts for run in runs])

    def update(
        self,
        gradients: Sequence[Any],
        minibatch_size: float = 1,
        extras: Mapping[str, Any] | None = None,
    ) -> list[Judgement]:
        """Do one update by all of them, and judge the parameters and states after it."""
        extras = extras or {}
        self.level()
        self.clock["step"] += 1
        self.clock["minibatch_size"] = float(minibatch_size)
        inputs = self.inputs(gradients, extras)
        runs = self.function(inputs, self.options)
        self.learner.update(gradients, minibatch_size, **extras)
        self.oracle.update(gradients, minibatch_size, **extras)
        self.clock["samples"] += minibatch_size
        expected = [run.updated for run in runs]
        update = int(self.clock["step"])
        rows = [g.indices if isinstance(g, RowSparse) else None for g in gradients]
        return self.judged(update, expected, rows)

    def evaluation(self) -> list[Judgement]:
        """Judge the parameters to evaluate a model with."""
        self.level()
        own, others = self.learner.evaluation_parameters(), self.oracle.evaluation_parameters()
        nothing = [np.full_like(p, np.nan) for p in self.parameters]
        clock = self.clock
        self.clock = {**clock, "minibatch_size": 1.0}
        inputs = self.inputs(nothing, self.no_extras())
        self.clock = clock
        runs = self.function(inputs, self.options, "evaluate")
        found = []
        for k, run in enumerate(runs):
            value = run.parameter if run.evaluation is None else run.evaluation
            found.append(self.judgement("evaluation parameter", k, value, own[k], others[k]))
        return found

    def no_extras(self) -> dict[str, Any]:
        """Extras without numbers, where only what is kept after an update counts."""
        declared = self.rules[0].extras
        nothing = [np.full_like(p, np.nan) for p in self.parameters]
        return {e.name: np.nan if e.shape == "model" else nothing for e in declared}

    def level(self) -> None:
        """Give the oracle the parameters and states of the compiled learner."""
        for own, twin in zip(self.parameters, self.twins, strict=True):
            twin[...] = own
        self.oracle.load_state_dict(self.learner.state_dict())

    def hyperparameters(self, tensor: int) -> dict[str, float]:
        """Those of a tensor at the coming update."""
        group = self.group_of[tensor]
        return dict(self.learner.groups[group - 1] if group else self.learner.hyperparameters)

    def inputs(
        self, gradients: Sequence[Any], extras: Mapping[str, Any], starting: bool = False
    ) -> list[Inputs]:
        """What the function is given for each tensor: copies."""
        found: list[Inputs] = []
        for k, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            rows: Any = g.indices if isinstance(g, RowSparse) else ...
            states = {n: np.array(a[rows]) if a.ndim else a for n, a in self.states(k).items()}
            arrays = {
                n: float(v) if isinstance(v, float) else np.array(v[k][rows])
                for n, v in extras.items()
            }
            found.append(
                Inputs(
                    tensor=k,
                    parameter=np.array(p[rows]),
                    gradient=np.array(g.values if isinstance(g, RowSparse) else g),
                    states={} if starting else states,
                    hyperparameters=self.hyperparameters(k),
                    extras=self.no_extras_of(p) if starting else arrays,
                    clock=self.clock,
                    positions=np.arange(p.size).reshape(p.shape)[rows],
                )
            )
        total = float(sum(one.parameter.size for one in found))
        for one in found:
            one.clock = {**self.clock, "model_size": total}
        return found

    def no_extras_of(self, parameter: np.ndarray) -> dict[str, Any]:
        """The same for one tensor."""
        declared = self.rules[0].extras
        ones = np.ones_like(parameter)
        return {e.name: 1.0 if e.shape == "model" else ones for e in declared}

    def states(self, tensor: int) -> dict[str, Any]:
        """The states of a tensor and of the model."""
        model = {name: np.float64(value) for name, value in self.learner.model_state.items()}
        return {**self.learner.state[tensor], **model}

    def judged(
        self,
        update: int,
        expected: Sequence[Mapping[str, Any]],
        rows: Sequence[Any] | None = None,
    ) -> list[Judgement]:
        """Compare what the learners hold with what the function gives."""
        found: list[Judgement] = []
        for k, values in enumerate(expected):
            own = {"parameter": self.parameters[k], **self.states(k)}
            other = {
                "parameter": self.twins[k],
                **self.oracle.state[k],
                **self.oracle.model_state,
            }
            some = ... if rows is None or rows[k] is None else rows[k]
            for name, value in values.items():
                got = np.array(own[name][some] if np.ndim(own[name]) else own[name])
                twin = np.array(other[name][some] if np.ndim(other[name]) else other[name])
                found.append(self.judgement(name, k, value, got, twin, update))
        return found

    def judgement(
        self, name: str, tensor: int, value: Value, own: Any, other: Any, update: int | None = None
    ) -> Judgement:
        """One array, compared."""
        number = int(self.clock["step"]) if update is None else update
        by_own, by_other = (deviation(a, value, self.kind) for a in (own, other))
        return Judgement(number, tensor, name, value, own, other, by_own, by_other)
