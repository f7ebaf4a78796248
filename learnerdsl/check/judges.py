"""Judge one rule on the same arrays three ways: compiled, interpreted, and its function on arrays.

Every update starts from the arrays of the compiled learner, so that each update is judged by itself
and small differences do not grow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.check.comparison import Deviation, deviation
from learnerdsl.check.context import Inputs
from learnerdsl.check.inputs import filled_extras
from learnerdsl.check.running import OnArrays
from learnerdsl.check.values import Precision, Value
from learnerdsl.define import UpdateRule
from learnerdsl.expr import AxisExtra
from learnerdsl.learner import Learner
from learnerdsl.runtime.arrays.sparse import RowSparse
from learnerdsl.tracing import Rule


def _plain_states(
    rule: UpdateRule, parameters: Sequence[np.ndarray], arguments: Mapping[str, Any]
) -> dict[str, str] | None:
    """Return number types that replace those that the rule declares for its states."""
    options = {n: v for n, v in arguments.items() if n in rule._option_names}
    rules = [rule.trace(shape=p.shape, **options) for p in parameters]
    names = {spec.public for one in rules for spec in one.states if spec.dtype}
    return dict.fromkeys(names, str(parameters[0].dtype)) or None


@dataclass(frozen=True)
class Judgement:
    """One array after one update, as computed by each judge.

    Attributes:
        update: number of the update; 0 for what states start from.
        tensor: index of the tensor.
        state: name of the state, "parameter" or "evaluation parameter".
        value: result of the function on arrays.
        compiled: array of the compiled learner.
        oracle: array of the oracle.
        by_compiled: deviation of the compiled learner's array from the value.
        by_oracle: deviation of the oracle's array from the value.
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
        backend: backend of the compiled learner.
        groups: groups, as for a learner.
        seed: seed of the rule's random numbers.
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
        more["states"] = _plain_states(rule, self.parameters, arguments)
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
        """Do one update with all three, and judge the parameters and states after it."""
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
        """Judge the evaluation parameters."""
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
        """Return placeholders for the extras, which evaluation parameters do not depend on."""
        return filled_extras(self.rules, self.parameters, np.nan)

    def level(self) -> None:
        """Copy the parameters and states of the compiled learner to the oracle."""
        for own, twin in zip(self.parameters, self.twins, strict=True):
            twin[...] = own
        self.oracle.load_state_dict(self.learner.state_dict())

    def hyperparameters(self, tensor: int) -> dict[str, float]:
        """Return the hyperparameters of a tensor for the next update."""
        group = self.group_of[tensor]
        return dict(self.learner.groups[group - 1] if group else self.learner.hyperparameters)

    def inputs(
        self, gradients: Sequence[Any], extras: Mapping[str, Any], starting: bool = False
    ) -> list[Inputs]:
        """Return the inputs of the function for each tensor, copied."""
        found: list[Inputs] = []
        for k, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            rows: Any = g.indices if isinstance(g, RowSparse) else ...
            states = {n: np.array(a[rows]) if a.ndim else a for n, a in self.states(k).items()}
            arrays = {
                n: v if isinstance(v, float) else self.own_extra(k, n, v[k], rows)
                for n, v in extras.items()
            }
            found.append(
                Inputs(
                    tensor=k,
                    parameter=np.array(p[rows]),
                    gradient=np.array(g.values if isinstance(g, RowSparse) else g),
                    states={} if starting else states,
                    hyperparameters=self.hyperparameters(k),
                    extras=self.no_extras_of(k) if starting else arrays,
                    clock=self.clock,
                    positions=np.arange(p.size).reshape(p.shape)[rows],
                )
            )
        total = float(sum(one.parameter.size for one in found))
        for one in found:
            one.clock = {**self.clock, "model_size": total}
        return found

    def own_extra(self, tensor: int, name: str, value: Any, rows: Any) -> Any:
        """Return an extra of one tensor as its function takes it.

        A value over some axes gets length 1 along the others, so that it broadcasts.
        """
        symbol = next((e for e in self.rules[tensor].extras if e.name == name), None)
        if symbol is None or symbol.shape == "tensor":
            return None if symbol is None else float(value)
        if not isinstance(symbol, AxisExtra):
            return np.array(value[rows])
        return np.reshape(value, symbol.broadcast_shape(self.parameters[tensor].shape))

    def no_extras_of(self, tensor: int) -> dict[str, Any]:
        """Return the placeholders for the extras of one tensor."""
        ones = filled_extras(self.rules, self.parameters, 1.0)
        return {
            n: v if isinstance(v, float) else self.own_extra(tensor, n, v[tensor], ...)
            for n, v in ones.items()
        }

    def states(self, tensor: int) -> dict[str, Any]:
        """Return the states of a tensor and the model-wide states."""
        model = {name: np.float64(value) for name, value in self.learner.model_state.items()}
        return {**self.learner.state[tensor], **model}

    def judged(
        self,
        update: int,
        expected: Sequence[Mapping[str, Any]],
        rows: Sequence[Any] | None = None,
    ) -> list[Judgement]:
        """Compare the arrays of the learners with the results of the function."""
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
                if name not in own and self.function.is_fixed:
                    continue  # the learner does not keep it
                got = np.array(own[name][some] if np.ndim(own[name]) else own[name])
                twin = np.array(other[name][some] if np.ndim(other[name]) else other[name])
                found.append(self.judgement(name, k, value, got, twin, update))
        return found

    def judgement(
        self, name: str, tensor: int, value: Value, own: Any, other: Any, update: int | None = None
    ) -> Judgement:
        """Compare one array."""
        number = int(self.clock["step"]) if update is None else update
        by_own, by_other = (deviation(a, value, self.kind) for a in (own, other))
        return Judgement(number, tensor, name, value, own, other, by_own, by_other)
