"""Give each learner of an optimizer the inputs besides the gradients that it has."""

from collections.abc import Mapping, Sequence
from typing import Any

from learnerdsl.torch.members import Members


def extras_of_each(
    every: Sequence[Members], result: Any, extras: Mapping[str, Any]
) -> list[tuple[Members, dict[str, Any]]]:
    """Return the extras of each learner of an optimizer: those that it has, or that none has.

    Args:
        every: the learners, whose extras are checked if there are several: else one could refuse
            them after another was updated.
        result: what the closure returned, which may be the loss; None if there was none.
        extras: name -> value.

    Raises:
        LearnerError: an extra is missing, unknown, or cannot be used.
    """
    known = {name for members in every for name in members.learner.extras}
    found: list[tuple[Members, dict[str, Any]]] = []
    for members in every:
        names = members.learner.extras
        given = {n: v for n, v in extras.items() if n in names or n not in known}
        if result is not None and "loss" in names and "loss" not in extras:
            given["loss"] = result
        found.append((members, given))
    if len(found) > 1 and (extras or known):
        for members, given in found:
            members.check_extras(given)
    return found
