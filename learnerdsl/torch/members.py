"""The learner behind an optimizer, of groups that ask for one rule or compute things together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import is_, is_not, itemgetter
from typing import Any

import numpy as np
import torch

from learnerdsl.errors import HyperparameterError, LearnerError
from learnerdsl.expr import RingState
from learnerdsl.learner import Learner
from learnerdsl.learner.hyperparameters import shared_hyperparameters
from learnerdsl.learner.precision import multiplies
from learnerdsl.runtime.absent import state_of_steps
from learnerdsl.runtime.arrays.interop import as_tensor, copy_to_host
from learnerdsl.runtime.shards import Piece
from learnerdsl.torch.devices import is_capturing, is_on_gpu, states_of
from learnerdsl.torch.gradients import Reader
from learnerdsl.torch.interface import Choice, Interface, value_of
from learnerdsl.torch.layouts import Layout
from learnerdsl.torch.ranks import Shards, is_distributed, local_of, refuse_blocks
from learnerdsl.torch.replays import Clock, refuse_capture
from learnerdsl.torch.scaling import Door
from learnerdsl.torch.states import (
    ParameterState,
    Pieces,
    count_in,
    states_of_elements,
    steps_in,
)
from learnerdsl.tracing import Rule, joined

MODEL = "model."
"""What the names of states of the whole model begin with in the groups of a state dict."""
States = Mapping[torch.Tensor, Mapping[str, Any]]
"""Parameter -> its states."""


@dataclass(frozen=True)
class Member:
    """A parameter of an optimizer.

    Attributes:
        tensor: the parameter.
        name: its name in the learner and in messages: that in the model, or its number.
        group: number of its group among those of the learner.
        shape: the shape in which its rule sees it.
    """

    tensor: torch.Tensor
    name: str | int
    group: int
    shape: tuple[int, ...]

    @property
    def described(self) -> str:
        """What it is, for error messages."""
        return f"Parameter {self.name!r}"


class Members:
    """The parameters that one learner updates.

    Args:
        interface: that of the optimizer.
        choices: rule and options of each group.
        groups: the groups.
        members: the parameters.
        arguments: further arguments of the learner, such as `states`.
        shards: finds what part of each parameter this process holds.

    Attributes:
        states: parameter -> its states, as the optimizer shows them.
        is_captured: whether a CUDA graph may hold an update.
        clock: what shows the steps that a GPU counts; None if the host knows them.
        door: what lets a GPU leave out updates, from the first `close` on.
    """

    is_captured = False
    clock: Clock | None = None
    door: Door | None = None

    def __init__(
        self,
        interface: Interface,
        choices: Sequence[Choice],
        groups: Sequence[dict[str, Any]],
        members: Sequence[Member],
        arguments: Mapping[str, Any],
        shards: Shards,
    ) -> None:
        self.interface = interface
        self.choices = choices
        self.keys = [choice.key for choice in choices]
        self.groups = groups
        self.members = members
        self.tensors = [member.tensor for member in members]
        self.identities = frozenset(map(id, self.tensors))
        traced = [choices[m.group].traced(m.shape) for m in members]
        pairs = zip(members, traced, strict=True)
        self.layouts = [Layout(m.tensor, rule, m.described) for m, rule in pairs]
        self.of_elements = list(map(states_of_elements, traced))
        self.divided = list(filter(is_distributed, self.tensors))
        self.is_on_gpu = is_on_gpu(self.tensors[0])
        rules = joined(traced)
        self.names = [member.name for member in members]
        views = self._views(arguments["states"], shards)
        self.places = [local_of(tensor).data_ptr() for tensor in self.tensors]
        self.kinds = [tensor.dtype for tensor in self.tensors]
        self.shared = set(shared_hyperparameters(rules[0]))
        self.pick: list[Callable[[Any], tuple[Any, ...]]] = [
            itemgetter(*interface.of(group).defaults) for group in groups
        ]
        self.last: list[tuple[Any, ...]] = [()] * len(groups)
        self.may_change = [True] * len(groups)
        self.sizes = [0] * len(groups)
        self.changed: dict[int, tuple[Any, ...]] = {}
        self.sent = values = [self._hyperparameters(k) for k in range(len(groups))]
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
        own = {
            **arguments,
            "products": self._products(arguments["products"], traced),
            "reshape": self._reshape(),
        }
        self.learner = Learner(rules, views, groups=others, hyperparameters=values[0], **own)
        self.settings = [self.learner.hyperparameters, *self.learner.groups]
        self.engine: Any = self.learner._engine
        self.thread_count = 0
        distinct = {id(rule): rule for rule in rules}.values()
        states = [spec.symbol for rule in distinct for spec in rule.states]
        self.has_rings = any(isinstance(symbol, RingState) for symbol in states)
        self.has_scalars = any(symbol.shape == "tensor" for symbol in states)
        self.has_one_clock = any(map(state_of_steps, distinct))
        self._begin_steps()
        self.reader = Reader.of(self.tensors, self.layouts, self.learner)
        self.states = {tensor: ParameterState() for tensor in self.tensors}

    def _begin_steps(self) -> None:
        """Make the tensors of the steps: on the host, or where a GPU counts them."""
        self.steps = torch.zeros(len(self.members), dtype=torch.float32, device="cpu")
        self.step_array = self.steps.numpy()
        self.known_steps = self.step_array.tobytes()
        self.is_capturable = self._asks_for_captures()
        if self.is_on_gpu and self.is_capturable:
            self.use_clock()

    def _views(self, states: Any, shards: Shards) -> Any:
        """Return the parameters as the learner takes them, by name; `states` are number types."""
        pairs = zip(self.tensors, self.layouts, strict=True)
        views = [layout.view(tensor.detach()) for tensor, layout in pairs]
        if self.divided:
            refuse_blocks(states)
            parts = zip(views, shards.of(self.tensors, self.names), strict=True)
            views = [view if shard is None else Piece(view, shard) for view, shard in parts]
        return dict(zip(self.names, views, strict=True))

    def _reshape(self) -> Any:
        """Return the function of names and shapes for the learner; None if it has nothing to do."""
        if all(member.shape == tuple(member.tensor.shape) for member in self.members):
            return None
        shapes = {member.name: member.shape for member in self.members}
        return lambda name, shape: shapes[name] if shapes[name] != shape else None

    def _products(self, asked: str | None, rules: Sequence[Rule]) -> str | None:
        """Return how to multiply matrices; None where the rules multiply none, or differ."""
        groups = [self.groups[member.group] for member in self.members]
        pairs = zip(groups, rules, strict=True)
        choices = {self.interface.of(group).products for group, rule in pairs if multiplies([rule])}
        if asked is not None:
            return asked if choices else None
        return choices.pop() if len(choices) == 1 else None

    def _hyperparameters(self, number: int) -> dict[str, Any]:
        """Return the hyperparameters of a group."""
        group, what = self.groups[number], self.interface.name
        sources = self.choices[number].sources
        return {name: value_of(group, source, what) for name, source in sources.items()}

    def is_current(self) -> bool:
        """Return whether parameters have the memory and type, and groups the choice, of before.

        On a GPU, it is false, too, if the parameters do not all take part in the next update, or
        another step was written into their states.
        """
        if self.is_on_gpu and not self._has_all_gradients():
            return False
        return self.has_memory_and_choice()

    def has_memory_and_choice(self) -> bool:
        """Return whether parameters have the memory and type, and groups the choice, of before."""
        if self.is_on_gpu and self._asks_for_captures() != self.is_capturable:
            return False
        return self._has_memory() and self._has_choice()

    def _asks_for_captures(self) -> bool:
        """Return whether all groups ask for steps that a CUDA graph can hold."""
        return all(group.get("capturable") for group in self.groups)

    def _has_all_gradients(self) -> bool:
        """Return whether all parameters have gradients, and the steps that the learner knows."""
        is_known = self.step_array.tobytes() == self.known_steps
        return is_known and all(map(is_not, [t.grad for t in self.tensors], repeat(None)))

    def _has_memory(self) -> bool:
        """Return whether parameters have the memory and type of before."""
        if self.reader is not None:
            return self.reader.is_current()
        has_places = [local_of(t).data_ptr() for t in self.tensors] == self.places
        return has_places and all(map(is_, [t.dtype for t in self.tensors], self.kinds))

    def _has_choice(self) -> bool:
        """Return whether all groups still ask for their choice; note those that have changed."""
        self.changed.clear()
        for number, group in enumerate(self.groups):
            if len(group) != self.sizes[number]:
                self.interface.fold(group)
                self.sizes[number] = len(group)
            values = self.pick[number](group)
            if self.may_change[number] or not all(map(is_, values, self.last[number])):
                chosen = self.interface.chosen(group)
                if chosen is not self.choices[number] and chosen.key != self.keys[number]:
                    return False
                self.changed[number] = values
        return True

    def pieces(self) -> list[Pieces]:
        """Return the arrays of the states of each parameter."""
        states = states_of(self.engine)
        interfaces = [self.interface.of(group) for group in self.groups]
        return [
            Pieces(
                interfaces[member.group].states,
                interfaces[member.group].expanded,
                layout,
                {name: arrays[k] for name, arrays in states.items() if arrays[k] is not None},
                self.of_elements[k],
            )
            for k, (member, layout) in enumerate(zip(self.members, self.layouts, strict=True))
        ]

    def take(self, given: States, progress: Mapping[str, Any]) -> None:
        """Continue from the given states.

        Args:
            given: parameter -> its states; missing ones begin anew.
            progress: what `progress` returned, or an empty dict if it is not known.
        """
        own = [given.get(tensor, {}) for tensor in self.tensors]
        steps = [steps_in(states) for states in own]
        count = max(int(count_in(progress, "step_count", 0)), *steps)
        self.engine.set_clock(count, count_in(progress, "samples", count))
        if not self.has_one_clock:
            self.engine.missed_steps = [count - step for step in steps]
        for name in self.learner.model_state:
            if MODEL + name in progress:
                self.learner.model_state[name] = progress[MODEL + name]
        found = self.pieces()
        for member, states, pieces in zip(self.members, own, found, strict=True):
            pieces.take(states, member.described)
        for member, states in zip(self.members, own, strict=True):
            self.states[member.tensor].update(states)
        self.show(found)

    def evaluation_parameters(self) -> dict[torch.Tensor, torch.Tensor]:
        """Return the weights to evaluate the model with: parameter -> weights."""
        found: Any = self.learner.evaluation_parameters()
        if self.is_on_gpu:
            arrays = {name: as_tensor(copy_to_host(array)) for name, array in found.items()}
            found = {m.name: arrays[m.name].to(m.tensor.device) for m in self.members}
        return {
            member.tensor: layout.restored(found[member.name], True)
            for member, layout in zip(self.members, self.layouts, strict=True)
        }

    def progress(self) -> dict[str, Any]:
        """Return the numbers that the updates of all parameters share."""
        model = {MODEL + name: value for name, value in self.learner.model_state.items()}
        return {"step_count": self.learner.step_count, "samples": self.learner.samples, **model}

    def show(self, found: Sequence[Pieces] | None = None) -> None:
        """Put the tensors of the states into `states`; `found` is what `pieces` returned."""
        found = self.pieces() if found is None else found
        for k, (tensor, pieces) in enumerate(zip(self.tensors, found, strict=True)):
            shown = {"step": self.steps[k], **pieces.shown}
            dict.update(self.states[tensor], shown)
        self.show_steps()

    def borrow(self, holders: Sequence[Any]) -> None:
        """Keep states in the memory of other engines on a GPU: for each parameter its holder."""
        self.engine.borrow(holders)
        # The checks of gradients know the memory of states.
        self.learner._prepare_updates()
        self.reader = Reader.of(self.tensors, self.layouts, self.learner)

    def show_again(self) -> None:
        """Put what may have become another tensor into `states`, if others had them since."""
        if self.has_scalars or self.has_rings:
            self.show()
            return
        for tensor, step in zip(self.tensors, self.steps, strict=True):
            dict.__setitem__(self.states[tensor], "step", step)
        self.show_steps()

    def show_steps(self) -> None:
        """Write the step of each parameter into `states`."""
        if self.clock is not None:
            self.clock.count()
            return
        self.step_array[:] = self.engine.tensor_steps
        self.known_steps = self.step_array.tobytes()

    def use_clock(self) -> None:
        """Show the steps that the GPU counts from now on."""
        self.clock = Clock(self.engine, len(self.members))
        self.steps = self.clock.steps

    @property
    def can_close(self) -> bool:
        """Whether a GPU can leave out an update by itself."""
        is_free = self.is_on_gpu and self.engine.takes_addresses
        return is_free and not self.engine.check_finite

    def close(self, found: Any) -> None:
        """Let the GPU leave out the next update if a number is above 0; None stands for 0."""
        if self.door is None and found is not None:
            self.door = Door(self.engine)
            if self.clock is None:
                self.use_clock()
            self.show()
        if self.door is not None:
            self.door.close(found)

    def obey(self) -> None:
        """Take over what was written into the steps and into the groups since the last update."""
        if self.step_array.tobytes() != self.known_steps:
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
            self._set(number, self._hyperparameters(number))
            self.last[number] = values
            self.may_change[number] = _may_hide(values)

    def _set(self, number: int, values: dict[str, Any]) -> None:
        """Set the hyperparameters of a group that may differ from those of before."""
        last = self.sent[number]
        changed = {n: v for n, v in values.items() if v is not last.get(n) or is_mutable(v)}
        if number and self.shared:
            changed = {n: v for n, v in changed.items() if n not in self.shared}
            self.settings[number].update(changed)
            self._refuse_split(values, self._hyperparameters(0))
        else:
            self.settings[number].update(changed)
        self.sent[number] = values

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
        if self.is_on_gpu and is_capturing():
            refuse_capture(self)
        elif self.is_captured and self.learner._hyper.scheduled:
            self.engine.count_replays()
        self.obey()
        gradients = [tensor.grad for tensor in self.tensors]
        if not any(map(is_not, gradients, repeat(None))):
            return
        given: Any = None if self.reader is None else self.reader.read(gradients)
        if given is None:
            given = self._named(gradients)
        if not self.is_on_gpu and torch.get_num_threads() != self.thread_count:
            self.thread_count = torch.get_num_threads()
            self.engine.use_num_threads(self.thread_count)
        self.learner.update(given, minibatch_size, **self._extras(extras))
        if self.divided:
            # The learner counts the versions of their parts, autograd those of the DTensors.
            torch.autograd.graph.increment_version(self.divided)
        if self.has_rings:
            self.show()
        else:
            self.show_steps()

    def refresh(self) -> None:
        """Send what has changed to the GPU, before a CUDA graph replays an update."""
        if not self._has_choice():
            msg = (
                f"An option in a group of {self.interface.name} has changed, which replays cannot "
                "follow; call optimizer.step() outside of the graph, and capture it again."
            )
            raise LearnerError(msg)
        self.obey()
        self.learner.refresh()

    def check_extras(self, extras: Mapping[str, Any]) -> None:
        """Raise if the next update would refuse these extras."""
        absent = [k for k, tensor in enumerate(self.tensors) if tensor.grad is None]
        if len(absent) < len(self.tensors):
            self.learner._extras.checked(self._extras(extras), absent)

    def undo(self, extras: Mapping[str, Any], minibatch_size: Any) -> None:
        """Take back the last update, by the gradients that the parameters have."""
        gradients = [tensor.grad for tensor in self.tensors]
        self.learner.undo(self._named(gradients), minibatch_size, **self._extras(extras))
        self.show()

    @torch.no_grad()
    def _named(self, gradients: Sequence[Any]) -> dict[Any, Any]:
        """Return gradients by name as the learner takes them."""
        pairs = zip(self.layouts, gradients, strict=True)
        values = [layout.gradient(gradient) for layout, gradient in pairs]
        return dict(zip(self.names, values, strict=True))

    def _extras(self, extras: Mapping[str, Any]) -> dict[str, Any]:
        """Return extras as the learner takes them: numbers, and arrays by name."""
        small = self.learner._extras.wanted
        return {name: self._extra(value, name in small) for name, value in extras.items()}

    def _extra(self, value: Any, is_small: bool) -> Any:
        """Return an extra as the learner takes it; if it is small, not like the parameters."""
        if not isinstance(value, Mapping):
            return _detached(value)
        found: dict[Any, Any] = {}
        for member, layout in zip(self.members, self.layouts, strict=True):
            for key in (member.tensor, member.name):
                if key in value:
                    own = value[key]
                    found[member.name] = _detached(own) if is_small else layout.gradient(own)
        return found


def _detached(value: Any) -> Any:
    """Return a tensor without its graph; anything else as it is."""
    return value.detach() if isinstance(value, torch.Tensor) else value


def _may_hide(values: Sequence[Any]) -> bool:
    """Return whether a value, or a part of one, may change without becoming another object."""
    return any(is_mutable(v) or (type(v) is tuple and any(map(is_mutable, v))) for v in values)


def is_mutable(value: Any) -> bool:
    """Return whether the value of an argument may change without becoming another object."""
    return isinstance(value, (torch.Tensor, np.ndarray, list))
