"""The learner behind an optimizer: it updates the groups that ask for the same rule and options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any

import numpy as np
import torch

from learnerdsl.errors import HyperparameterError
from learnerdsl.expr import Reduction, RingState, nodes
from learnerdsl.learner.hyperparameters import shared_hyperparameters
from learnerdsl.learner.precision import multiplies
from learnerdsl.runtime.absent import state_of_steps
from learnerdsl.torch.interface import Choice, Interface, value_of
from learnerdsl.torch.layouts import Layout
from learnerdsl.torch.states import ParameterState, Pieces, steps_in
from learnerdsl.tracing import Rule


@dataclass(frozen=True)
class Member:
    """A parameter of an optimizer.

    Attributes:
        tensor: the parameter.
        name: its name in the learner and in messages: that in the model, or its number.
        group: number of its group among those of the learner.
    """

    tensor: torch.Tensor
    name: str | int
    group: int


class Members:
    """The parameters that one learner updates.

    Args:
        interface: that of the optimizer.
        choice: rule and options of the groups.
        groups: the groups; all have this choice.
        members: the parameters.
        arguments: further arguments of the learner, such as `states`.

    Attributes:
        states: parameter -> its states, as the optimizer shows them.
    """

    def __init__(
        self,
        interface: Interface,
        choice: Choice,
        groups: Sequence[dict[str, Any]],
        members: Sequence[Member],
        arguments: Mapping[str, Any],
    ) -> None:
        self.interface = interface
        self.choice = choice
        self.groups = groups
        self.members = members
        self.tensors = [member.tensor for member in members]
        self.rule: Rule = self._trace(members[0])
        self.layouts = [Layout(m.tensor, self._trace(m), _described(m)) for m in members]
        self.is_usual = all(layout.is_usual for layout in self.layouts)
        self.names = [member.name for member in members]
        views: Any = {
            m.name: layout.view(m.tensor.detach())
            for m, layout in zip(members, self.layouts, strict=True)
        }
        self.places = [tensor.data_ptr() for tensor in self.tensors]
        self.kinds = [tensor.dtype for tensor in self.tensors]
        self.shared = set(shared_hyperparameters(self.rule))
        self.arguments = list(interface.defaults)
        self.last: list[tuple[Any, ...]] = [()] * len(groups)
        self.changed: dict[int, tuple[Any, ...]] = {}
        values = [self._hyperparameters(group) for group in groups]
        for own in values[1:]:
            self._refuse_split(own, values[0])
        others = [
            {
                "params": [m.name for m in members if m.group == k],
                **{n: v for n, v in own.items() if n not in self.shared},
            }
            for k, own in enumerate(values)
            if k
        ]
        own = {**arguments, "products": self._products(arguments), **choice.options, **values[0]}
        self.learner = choice.rule(views, groups=others, **own)
        self.engine = self.learner._engine
        self.has_rings = any(isinstance(spec.symbol, RingState) for spec in self.rule.states)
        self.has_one_clock = bool(state_of_steps(self.rule))
        self.steps = torch.zeros(len(members), dtype=torch.float32)
        self.step_array = self.steps.numpy()
        self.known_steps = np.zeros(len(members), np.float32)
        self.states = {tensor: ParameterState() for tensor in self.tensors}

    def _trace(self, member: Member) -> Rule:
        shape = tuple(member.tensor.shape)
        return self.choice.rule.trace(shape=shape, **self.choice.options)

    def _products(self, arguments: Mapping[str, Any]) -> str | None:
        """Return how to multiply matrices; None where the rule multiplies none."""
        asked = arguments["products"]
        wanted = self.interface.products if asked is None else asked
        return wanted if multiplies([self._trace(m) for m in self.members]) else None

    def _hyperparameters(self, group: Mapping[str, Any]) -> dict[str, Any]:
        what = self.interface.name
        return {name: value_of(group, s, what) for name, s in self.choice.sources.items()}

    def is_current(self) -> bool:
        """Return whether parameters have the memory and type, and groups the choice, of before."""
        return (
            [t.data_ptr() for t in self.tensors] == self.places
            and all(map(is_, [t.dtype for t in self.tensors], self.kinds))
            and self._has_choice()
        )

    def _has_choice(self) -> bool:
        """Return whether all groups still ask for this choice; note those that have changed."""
        self.changed.clear()
        for number, group in enumerate(self.groups):
            values = tuple([group[name] for name in self.arguments])
            last = self.last[number]
            if not last or not all(map(is_, values, last)) or _may_hide(values):
                if self.interface.chosen(group).key != self.choice.key:
                    return False
                self.changed[number] = values
        return True

    def pieces(self) -> list[Pieces]:
        """Return the arrays of the states of each parameter."""
        interface, states = self.interface, self.engine.states
        return [
            Pieces(
                interface.states,
                interface.expanded,
                layout,
                {name: arrays[k] for name, arrays in states.items() if arrays[k] is not None},
            )
            for k, layout in enumerate(self.layouts)
        ]

    def take(
        self, given: Mapping[torch.Tensor, Mapping[str, Any]], progress: Any, is_strict: bool
    ) -> None:
        """Continue from the given states.

        Args:
            given: parameter -> its states; missing ones begin anew.
            progress: what `progress` returned, or an empty dict if it is not known.
            is_strict: whether to refuse states that are incomplete.
        """
        own = [given.get(tensor, {}) for tensor in self.tensors]
        steps = [steps_in(states) for states in own]
        count = max(progress.get("step_count", 0), *steps)
        self.engine.set_clock(count, float(progress.get("samples", count)))
        if not self.has_one_clock:
            self.engine.missed_steps = [count - step for step in steps]
        for name in self.learner.model_state:
            if f"model.{name}" in progress:
                self.learner.model_state[name] = progress[f"model.{name}"]
        for member, states, pieces in zip(self.members, own, self.pieces(), strict=True):
            if states:
                pieces.take(states, _described(member), is_strict)
        for member, states in zip(self.members, own, strict=True):
            self.states[member.tensor].update(states)
        self.show()

    def evaluation_parameters(self) -> dict[torch.Tensor, torch.Tensor]:
        """Return the weights to evaluate the model with: parameter -> weights."""
        found: Any = self.learner.evaluation_parameters()
        return {
            member.tensor: layout.restored(found[member.name])
            for member, layout in zip(self.members, self.layouts, strict=True)
        }

    def progress(self) -> dict[str, Any]:
        """Return the numbers that the updates of all parameters share."""
        model = {f"model.{name}": value for name, value in self.learner.model_state.items()}
        return {"step_count": self.learner.step_count, "samples": self.learner.samples, **model}

    def show(self) -> None:
        """Put the tensors of the states into `states`."""
        for k, (tensor, pieces) in enumerate(zip(self.tensors, self.pieces(), strict=True)):
            shown = {"step": self.steps[k], **pieces.shown}
            dict.update(self.states[tensor], shown)
        self.show_steps()

    def show_steps(self) -> None:
        """Write the step of each parameter into `states`."""
        steps = self.engine.tensor_steps
        self.known_steps[:] = steps
        self.step_array[:] = self.known_steps

    def obey(self) -> None:
        """Take over what was written into the steps and into the groups since the last update."""
        if (self.step_array != self.known_steps).any():
            given = {t: dict(states) for t, states in self.states.items()}
            copies = {t: {"step": float(own["step"])} for t, own in given.items()}
            count = max(int(own["step"]) for own in copies.values())
            values = self.engine.read_states() | self.engine.read_model_states()
            self.engine.set_clock(count, float(count))
            if not self.has_one_clock:
                missed = [count - int(copies[t]["step"]) for t in self.tensors]
                self.engine.missed_steps = missed
            self.engine.write_states(values)
            self.show()
        for number, values in self.changed.items():
            self._set(number, self._hyperparameters(self.groups[number]))
            self.last[number] = values

    def _set(self, number: int, values: dict[str, Any]) -> None:
        """Set the hyperparameters of a group."""
        if not number:
            self.learner.hyperparameters.update(values)
            return
        own = {n: v for n, v in values.items() if n not in self.shared}
        self.learner.groups[number - 1].update(own)
        self._refuse_split(values, self._hyperparameters(self.groups[0]))

    def _refuse_split(self, values: Mapping[str, Any], first: Mapping[str, Any]) -> None:
        """Raise if a group has another value than the first where there can be only one."""
        for name in self.shared:
            if name in values and values[name] != first[name]:
                msg = (
                    f"{name!r} of {self.interface.name} cannot differ between groups, because a "
                    f"state of the whole model depends on it; there are {first[name]!r} and "
                    f"{values[name]!r}."
                )
                raise HyperparameterError(msg)

    def update(self, extras: Mapping[str, Any], minibatch_size: Any) -> None:
        """Do one update by the gradients that the parameters have."""
        self.obey()
        gradients = [tensor.grad for tensor in self.tensors]
        if all(gradient is None for gradient in gradients):
            return
        if not self.is_usual or any(g is not None and g.is_sparse for g in gradients):
            pairs = zip(self.layouts, gradients, strict=True)
            gradients = [layout.gradient(gradient) for layout, gradient in pairs]
        named: Any = dict(zip(self.names, gradients, strict=True))
        own = {name: self._extra(value) for name, value in extras.items()}
        self.learner.update(named, minibatch_size, **own)
        if self.has_rings:
            self.show()
        else:
            self.show_steps()

    def _extra(self, value: Any) -> Any:
        """Return an extra as the learner takes it: a number, or arrays by name."""
        if not isinstance(value, Mapping):
            return value.detach() if isinstance(value, torch.Tensor) else value
        found: dict[Any, Any] = {}
        for member, layout in zip(self.members, self.layouts, strict=True):
            for key in (member.tensor, member.name):
                if key in value:
                    found[member.name] = layout.gradient(value[key])
        return found


def _described(member: Member) -> str:
    return f"Parameter {member.name!r}"


def _may_hide(values: Sequence[Any]) -> bool:
    """Return whether a value may change without becoming another object."""
    mutable = (torch.Tensor, np.ndarray, list)
    return any(
        isinstance(value, mutable)
        or (type(value) is tuple and any(isinstance(one, mutable) for one in value))
        for value in values
    )


def spans_model(rule: Rule) -> bool:
    """Return whether a rule computes anything over all parameters together."""
    sums = nodes([line.expression for line in rule.lines])
    return any(spec.symbol.shape == "model" for spec in rule.states) or any(
        isinstance(node, Reduction) and node.over == "model" for node in sums
    )
