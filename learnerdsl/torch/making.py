"""Make the learners of an optimizer: which parameters each has, and what it is told about them.

On the host a learner has all parameters of its groups, and leaves out those without a gradient. On
a GPU all parameters of a learner take part in every update and have done equally many. So there it
has those with a gradient, and there is one for each number of updates done; what was made for a set
of gradients is kept, see `keeping`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from learnerdsl.errors import ArrayError, CheckpointError
from learnerdsl.runtime.absent import refuse_absent
from learnerdsl.torch.devices import is_on_gpu
from learnerdsl.torch.interface import Choice, Interface
from learnerdsl.torch.keeping import Kept
from learnerdsl.torch.layouts import is_narrow
from learnerdsl.torch.members import Member, Members
from learnerdsl.torch.partial import any_spans_model
from learnerdsl.torch.ranks import Shards, is_distributed
from learnerdsl.torch.states import steps_in

Group = dict[str, Any]


@dataclass(frozen=True)
class Maker:
    """What is needed to make learners.

    Attributes:
        interface: that of the optimizer.
        groups: all its groups.
        in_group: returns the parameters of a group, with a number for the group.
        arguments: further arguments of the learners, such as `states`.
        given: parameter -> its states, as far as they are known.
        is_early: whether to include parameters that may get a gradient.
        is_loading: whether to include parameters with states, though they have no gradient.
        shards: finds what part of each parameter this process holds.
        kept: the learners that were made before, for other sets of parameters on a GPU.
    """

    interface: Interface
    groups: Sequence[Group]
    in_group: Callable[[Group, int], Iterator[Member]]
    arguments: Mapping[str, Any]
    given: Mapping[Any, Any]
    is_early: bool
    is_loading: bool
    shards: Shards
    kept: Kept

    def make(self, numbers: Sequence[int]) -> list[Members]:
        """Make the learners of the groups with these numbers; none if none is needed yet."""
        every = [self.groups[number] for number in numbers]
        members = [m for k, group in enumerate(every) for m in self.in_group(group, k)]
        # All processes ask, whatever gradients each of them has.
        trained = [m for m in members if m.tensor.requires_grad]
        self.shards.of([m.tensor for m in trained], [m.name for m in trained])
        return [self._made(every, own) for own in self._divided(every, members) if own]

    def _divided(self, groups: Sequence[Group], members: Sequence[Member]) -> list[list[Member]]:
        """Return the parameters of each learner."""
        if not any(is_on_gpu(member.tensor) for member in members):
            return [list(filter(self._has_part, members))]
        taking = list(filter(self._takes_part, members))
        rules = [self.interface.chosen(groups[m.group]).traced(m.shape) for m in members]
        if any_spans_model(rules):
            if taking:
                steps = dict.fromkeys(self._steps_of(member.tensor) for member in taking)
                self._refuse_clocks(list(steps), rules, members)
            return [taking]
        found: dict[Any, list[Member]] = {}
        for member in taking:
            key = self._steps_of(member.tensor), self.kept.pattern(member.tensor)
            found.setdefault(key, []).append(member)
        return list(found.values())

    def _has_part(self, member: Member) -> bool:
        """Return whether a learner on the host has a parameter."""
        tensor = member.tensor
        # Processes must have the same tensors, whatever gradients each of them has.
        is_needed = self.is_early or is_distributed(tensor)
        if tensor.grad is not None or self.given.get(tensor):
            return True
        return is_needed and tensor.requires_grad

    def _takes_part(self, member: Member) -> bool:
        """Return whether a learner on a GPU has a parameter."""
        tensor = member.tensor
        if self.is_loading and self.given.get(tensor):
            return True
        return tensor.grad is not None or (self.is_early and tensor.requires_grad)

    def _steps_of(self, tensor: torch.Tensor) -> int:
        """Return how many updates a parameter has seen."""
        try:
            return steps_in(self.given.get(tensor, {}))
        except CheckpointError:
            return 0  # the learner, once made, says what is wrong

    def _refuse_clocks(
        self, counts: Sequence[int], rules: Sequence[Any], members: Sequence[Member]
    ) -> None:
        """Raise if parameters that are computed together have done different numbers of updates."""
        if len(counts) > 1:
            listed = " and ".join(map(str, sorted(counts)))
            msg = (
                f"{self.interface.name} computes something over the whole model, and parameters "
                f"have done different numbers of steps ({listed}), as some had no gradient. On a "
                "GPU all must have done the same number: give every parameter a gradient in every "
                "step, p.grad = torch.zeros_like(p) where there is none."
            )
            raise ArrayError(msg)
        for member in members:
            if self.given.get(member.tensor) and not self._takes_part(member):
                refuse_absent(rules, member.name)

    def _made(self, every: Sequence[Group], members: Sequence[Member]) -> Members:
        """Return the learner of these parameters."""
        used = sorted({member.group for member in members})
        groups = [every[number] for number in used]
        own = [replace(member, group=used.index(member.group)) for member in members]
        choices = [self.interface.chosen(group) for group in groups]
        arguments = self._arguments_for(own, choices)
        made = Members(self.interface, choices, groups, own, arguments, self.shards)
        self.kept.lend(made)
        return made

    def _arguments_for(
        self, members: Sequence[Member], choices: Sequence[Choice]
    ) -> dict[str, Any]:
        """Return the arguments of one of several learners: only what its parameters can have."""
        arguments = dict(self.arguments)
        if any(is_narrow(p) for group in self.groups for p in group["params"]):
            has_narrow = any(is_narrow(member.tensor) for member in members)
            arguments["master"] = arguments["master"] if has_narrow else None
        rules = [choices[member.group].traced(member.shape) for member in members]
        specs = [spec for rule in {id(r): r for r in rules}.values() for spec in rule.states]
        states = arguments["states"]
        if isinstance(states, Mapping):
            known = {spec.public for spec in specs}
            arguments["states"] = {name: kind for name, kind in states.items() if name in known}
        elif not any(spec.symbol.shape == "element" for spec in specs):
            arguments["states"] = None
        return arguments
