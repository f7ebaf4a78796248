"""Notice whether groups, parameters or states of an optimizer have been replaced."""

from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import is_
from typing import Any

import torch


class Structure:
    """What an optimizer had when its learners were made.

    It keeps the objects themselves: the number that `id` returned may belong to another one later.

    Args:
        groups: the groups.
        states: parameter -> its states.
        waiting: the parameters without a learner, which have had no gradient.
    """

    def __init__(
        self,
        groups: Sequence[Mapping[str, Any]],
        states: Mapping[torch.Tensor, Any],
        waiting: Sequence[torch.Tensor],
    ) -> None:
        self.groups = [(group, list(group["params"])) for group in groups]
        self.states = list(states.values())
        self.waiting = waiting

    def is_current(
        self, groups: Sequence[Mapping[str, Any]], states: Mapping[torch.Tensor, Any]
    ) -> bool:
        """Return whether groups, parameters and states are still the same objects.

        It is false, too, if a parameter without a learner has a gradient.
        """
        if not self.has(groups, states):
            return False
        return all(map(is_, [p.grad for p in self.waiting], repeat(None)))

    def has(self, groups: Sequence[Mapping[str, Any]], states: Mapping[torch.Tensor, Any]) -> bool:
        """Return whether groups, parameters and states are still the same objects."""
        if len(groups) != len(self.groups) or len(states) != len(self.states):
            return False
        for group, (own, parameters) in zip(groups, self.groups, strict=True):
            present = group["params"]
            if group is not own or len(present) != len(parameters):
                return False
            if not all(map(is_, present, parameters)):
                return False
        return all(map(is_, states.values(), self.states))
