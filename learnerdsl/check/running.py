"""Run a rule's function, or the members of a chain, on the arrays of every tensor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.check.context import Hold, Inputs, Mode, NeedsOtherTensors, Run, current_run
from learnerdsl.check.functions import where
from learnerdsl.check.rebinding import rebound
from learnerdsl.check.reductions import joined
from learnerdsl.check.values import Precision, Value, as_value, precision
from learnerdsl.compose import Chain
from learnerdsl.define import UpdateRule
from learnerdsl.errors import LearnerError
from learnerdsl.tracing import Member, rule_member


@dataclass(frozen=True)
class OnArrays:
    """A rule or chain as functions on arrays.

    Attributes:
        name: name of the rule.
        members: members of the chain, or the rule alone.
        functions: for each member a copy of its function that computes on arrays.
    """

    name: str
    members: tuple[Member, ...]
    functions: tuple[Callable[..., Any], ...]

    @classmethod
    def of(cls, rule: UpdateRule) -> "OnArrays":
        """Make one for a rule or chain."""
        if isinstance(rule, Chain):
            members = rule.members
        else:
            members = (rule_member(rule.__wrapped__, rule.version),)  # type: ignore[attr-defined]
        return cls(rule.name, members, tuple(rebound(one.function) for one in members))

    @property
    def is_fixed(self) -> bool:
        """Whether hyperparameters are fixed, so that the learner may lack states."""
        return any(member.constants for member in self.members)

    def __call__(
        self, tensors: Sequence[Inputs], options: Mapping[str, Any], mode: Mode = "update"
    ) -> list[Run]:
        """Run the functions once for each tensor and return the runs.

        A reduction over the model needs all tensors. So the functions run up to the first reduction
        whose value is not known; then it is computed, and they run again from the start.

        Raises:
            LearnerError: the function does something that is not possible on arrays.
        """
        known: list[Any] = []
        while True:
            runs = [Run(inputs, mode, known) for inputs in tensors]
            waiting = [run for run in runs if not self.finished(run, options)]
            if not waiting:
                return runs
            if len(waiting) < len(runs):
                msg = (
                    f"{self.name} reduces over the model in different ways for different tensors; "
                    "ld.check cannot judge it."
                )
                raise LearnerError(msg)
            known.append(joined([run.pending for run in runs]))

    def finished(self, run: Run, options: Mapping[str, Any]) -> bool:
        """Run the members on one tensor; return False if a reduction over the model is missing."""
        tokens = current_run.set(run), precision.set(Precision.of(run.inputs.parameter.dtype))
        try:
            with np.errstate(all="ignore"):
                self.run_members(run, options)
        except NeedsOtherTensors:
            return False
        except LearnerError:
            raise
        except Exception as error:
            msg = f"{self.name} cannot be run on arrays: {type(error).__name__}: {error}"
            raise LearnerError(msg) from error
        finally:
            current_run.reset(tokens[0])
            precision.reset(tokens[1])
        return True

    def run_members(self, run: Run, options: Mapping[str, Any]) -> None:
        """Call the transforms before the rule, the rule, and the transforms after it."""
        gradient, new = run.gradient, run.parameter
        index = next(k for k, member in enumerate(self.members) if member.is_rule)
        numbers = {m.public(n): v for m in self.members for n, v in m.constants.items()}
        numbers |= run.inputs.hyperparameters
        given = {**{n: Value(v) for n, v in numbers.items()}, **options}
        run.is_held = index == len(self.members) - 1
        for k, (member, function) in enumerate(zip(self.members, self.functions, strict=True)):
            run.public = member.public
            arguments = {own: given[member.public(own)] for own in member.arguments}
            if k < index:
                gradient = _mapped(run, member, function, gradient, arguments)
            elif k == index:
                function(run.parameter, gradient, **arguments)
                new = run.parameter if run.assigned is None else run.assigned
            else:
                inputs = (new, gradient)[: len(member.inputs) - 1]
                new = as_value(function(run.parameter, *inputs, **arguments))
        if not run.is_held and run.hold is not None:
            new = where(run.hold.flag > 0, new, run.hold.rest)
        run.assigned = new


def _mapped(
    run: Run, member: Member, function: Any, gradient: Value, arguments: Mapping[str, Any]
) -> Value:
    """Call a transform before the rule, take over its `only_when`, return the new gradient."""
    run.conditions, run.places = [], {}
    result = as_value(function(run.parameter, gradient, **arguments))
    conditions, run.conditions = run.conditions, None
    if conditions:
        _hold(run, member, conditions)
    passed_on = Value(result.number, result.bound, result.is_array, uses_gradient=True)
    return gradient if result is gradient else passed_on


def _hold(run: Run, member: Member, conditions: Sequence[Value]) -> None:
    """Hold back the members after a transform, which called `only_when`."""
    name = member.public(f"{member.name}_updates")
    updates = Value(0.0 if run.mode == "start" else run.inputs.states[name])
    outer = run.hold
    flag = Value(1.0) if outer is None else outer.flag
    for condition in conditions:
        flag = flag * condition
    run.starts[name] = Value(0.0)
    run.new[name] = updates + flag
    origin = run.places.get("origin", run.parameter)
    moved = run.places.get("otherwise", origin)
    rest = moved if outer is None else where(outer.flag > 0, moved, outer.rest)
    run.hold = Hold(flag, updates + 1, updates, rest)
    if run.mode == "evaluate" and "origin" in run.places and run.evaluation is not None:
        origin = run.evaluation  # where the rule left the parameter, which has been moved since
    run.parameter = origin
