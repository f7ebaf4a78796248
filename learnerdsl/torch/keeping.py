"""Keep the learners of an optimizer on a GPU, to use them again when gradients come back.

On a GPU all parameters of a learner take part in every update, and have done equally many. So a
learner is needed for every set of parameters that have gradients together. States are in the memory
of the learner that had a parameter first, and all later ones use them there.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from learnerdsl.torch.members import Members

MOST = 8
"""Learners are kept for so many times the elements of all parameters, as their tables, of about a
hundredth of the memory of the parameters, grow with the number of elements."""


class Kept:
    """The learners that an optimizer has made for sets of parameters on a GPU.

    Attributes:
        learners: those whose states others can use, the one that was used last at the end.
        last: number that `id` gives a parameter -> the learner that has updated it last, and its
            number there. Learners keep their parameters, so no other object gets this number.
        is_whole: whether one learner must have all parameters with gradients.
        latest: what a rule and its options are known by -> the learner that has used them last.
        captured: learners that CUDA graphs may replay, whose memory must not be freed.
    """

    def __init__(self) -> None:
        self.captured: list[Members] = []
        self.learners: list[Members] = []
        self.last: dict[int, tuple[Members, int]] = {}
        self.latest: dict[Any, Members] = {}
        self.is_whole = False

    def renewed(self, active: Iterable[Members]) -> "Kept":
        """Return what is kept when all is made anew; `active` are the learners of the last step."""
        self.let_go([*self.learners, *active])
        found = Kept()
        found.captured = self.captured
        return found

    def clear(self) -> None:
        """Forget all, for example because parameters were moved."""
        self.let_go(self.learners)
        self.learners.clear()
        self.last.clear()
        self.latest.clear()

    def let_go(self, learners: Iterable[Members]) -> None:
        """Keep only what CUDA graphs may replay of learners that are used no more."""
        self.captured += [own for own in learners if own.is_captured and own not in self.captured]

    def add(self, made: Iterable[Members]) -> None:
        """Keep learners that were made, and are used from now on."""
        for members in made:
            if members.is_on_gpu and members.engine.lends_states:
                self._use(members)
        most = MOST * sum(members.tensors[k].numel() for members, k in self.last.values())
        while len(self.learners) > 1 and sum(map(_size, self.learners)) > most:
            self.let_go([self.learners.pop(0)])

    def _use(self, members: Members) -> None:
        """Note that a learner is used from now on."""
        others = [own for own in self.learners if own.identities != members.identities]
        self.learners = [*others, members]
        self.latest[members.keys[0]] = members
        for k, tensor in enumerate(members.tensors):
            self.last[id(tensor)] = members, k

    def pattern(self, tensor: torch.Tensor) -> tuple[bool, ...]:
        """Return which learners have a parameter.

        Parameters for which it differs have not always had gradients together, and may not have in
        future. If each learner has only those for which it is equal, few learners make all sets.
        """
        return tuple(id(tensor) in members.identities for members in self.learners)

    def lend(self, members: Members) -> None:
        """Let a new learner use the states of those that had its parameters before it."""
        engine = members.engine
        if not (members.is_on_gpu and engine.lends_states):
            return
        holders = [engine.holder(k) for k in range(len(members.tensors))]
        for k, tensor in enumerate(members.tensors):
            if id(tensor) in self.last:
                before, number = self.last[id(tensor)]
                lender = before.engine.holder(number)
                if _have_equal_states(lender, holders[k]):
                    holders[k] = lender
                    members.states[tensor] = before.states[tensor]
        members.borrow(holders)

    @torch.no_grad()
    def change(self, tensors: Sequence[torch.Tensor], is_known: bool) -> list[Members]:
        """Return learners that were made before, ready for a step; nothing if some would be new.

        Args:
            tensors: the parameters that have gradients.
            is_known: whether groups, parameters and states are those of before.
        """
        if not is_known or not all(own.has_memory_and_choice() for own in self.learners):
            self.clear()
        chosen = self.chosen_for(tensors) if self.learners else []
        self.resume(chosen)
        return chosen

    def chosen_for(self, tensors: Sequence[torch.Tensor]) -> list[Members]:
        """Return learners that update these parameters, each one once; nothing if there are none.

        Args:
            tensors: the parameters that have gradients.
        """
        wanted, found = set(map(id, tensors)), list[Members]()
        for members in sorted(self.learners, key=lambda own: -len(own.tensors)):
            if members.identities <= wanted and self._has_one_step(members):
                found.append(members)
                wanted -= members.identities
        return [] if wanted or (self.is_whole and len(found) > 1) else found

    def owners(self, active: Sequence[Members]) -> list[Members]:
        """Return the learners that have updated some parameter last, and those of the last step."""
        found = {id(members): members for members, _ in self.last.values()}
        return list((found | {id(members): members for members in active}).values())

    def is_last(self, members: Members, tensor: torch.Tensor) -> bool:
        """Return whether no other learner has updated a parameter since this one."""
        return self.last.get(id(tensor), (members, 0))[0] is members

    def _has_one_step(self, members: Members) -> bool:
        """Return whether all parameters of a learner have done equally many updates."""
        return len(set(map(self.steps_of, members.tensors))) == 1

    def steps_of(self, tensor: torch.Tensor) -> float:
        """Return how many updates a parameter has seen; waits if only the GPU knows."""
        members, k = self.last[id(tensor)]
        return float(members.steps[k])

    def resume(self, chosen: Sequence[Members]) -> None:
        """Let learners continue where their parameters, and the last learner of a rule, are now."""
        latest = dict(self.latest)
        for members in chosen:
            before = latest[members.keys[0]]
            steps = int(self.steps_of(members.tensors[0]))
            own = [self.last[id(tensor)] for tensor in members.tensors]
            places = [one.engine.holder(k) for one, k in own]
            count = max(before.learner.step_count, steps)
            members.engine.follow(before.engine.leader, places, steps, count)
            self._use(members)
            members.show_again()


def _size(members: Members) -> int:
    """Return the number of elements of the parameters of a learner."""
    return sum(tensor.numel() for tensor in members.tensors)


def _have_equal_states(one: tuple[Any, int], other: tuple[Any, int]) -> bool:
    """Return whether two engines keep the same arrays for a tensor."""
    described = [
        {name: engine.places[k][name][1:] for name in engine.owners[k]}
        for engine, k in (one, other)
    ]
    return described[0] == described[1]
