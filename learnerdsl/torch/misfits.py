"""Say what of a state dict does not fit the learners of an optimizer."""

from collections.abc import Mapping
from typing import Any

from learnerdsl.errors import CheckpointError
from learnerdsl.numbers import as_number, quoted
from learnerdsl.torch.members import MODEL, Members, States
from learnerdsl.torch.states import steps_in


def misfits_of(members: Members, given: States, progress: Mapping[str, Any]) -> dict[Any, str]:
    """Return what was saved but does not fit a learner: parameter or key of `progress` -> why.

    Args:
        members: the learner, and the parameters that it updates.
        given: parameter -> its states.
        progress: what `Members.progress` returned, or an empty dict if it is not known.
    """
    found: dict[Any, str] = {}
    for member, pieces in zip(members.members, members.pieces(), strict=True):
        states = given.get(member.tensor)
        if states:
            try:
                pieces.check(states, member.described)
                steps_in(states)
            except CheckpointError as error:
                found[member.tensor] = str(error)
    names = {MODEL + name for name in members.learner.model_state}
    for name in progress:
        if name.startswith(MODEL) and name not in names:
            there = ", ".join(sorted(names)) or "none"
            found[name] = f"The groups have the unknown state {name!r}; there are: {there}."
    for name in names if progress else ():
        if name not in progress:
            found[name] = f"The state {name!r} of the groups is missing."
        elif as_number(progress[name]) is None:
            found[name] = (
                f"The state {name!r} of the groups is one number, so it cannot be "
                f"{quoted(progress[name])}."
            )
    return found
