"""Steps that a CUDA graph replays: the GPU counts them, and runs no Python."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from learnerdsl.errors import LearnerError
from learnerdsl.torch.devices import is_capturing, is_on_gpu


class Clock:
    """Shows how many updates a GPU has done; a graph that replays updates counts them, too.

    Args:
        engine: the engine of a learner on a GPU.
        count: number of its parameters.

    Attributes:
        steps: the number of updates that the GPU has done, for each parameter (count,).
    """

    def __init__(self, engine: Any, count: int) -> None:
        self.own = engine.device_clock
        self.steps = torch.zeros(count, dtype=torch.float32, device=self.own.device)

    def count(self) -> None:
        """Write the number of updates done into `steps`."""
        self.steps.copy_(self.own.expand_as(self.steps))


def refuse_capture(members: Any) -> None:
    """Raise if a step cannot be part of the CUDA graph that is being captured.

    Args:
        members: the learner, and the parameters that it updates.

    Raises:
        LearnerError: replays would not be counted, or need something of the host.
    """
    name = members.interface.name
    if not members.is_capturable:
        msg = (
            f"{name} cannot be part of a CUDA graph, as the host would not notice that a replay "
            "does a step. Make it with capturable=True, so that the GPU counts steps, or leave "
            "optimizer.step() out of the graph."
        )
        raise LearnerError(msg)
    why = ""
    values = [value for own in members.changed.values() for value in own]
    if members.has_rings:
        why = "its states change places with every step, which only the host could show"
    elif members.learner._rules[0].phases > 1:
        why = "it needs several gradients for a step"
    elif any(isinstance(value, torch.Tensor) and is_on_gpu(value) for value in values):
        why = (
            "the host has to read a hyperparameter that is a tensor on the GPU; give a number, and "
            "call optimizer.refresh() before a replay to send another one"
        )
    if why:
        msg = f"{name} cannot be part of a CUDA graph: {why}."
        raise LearnerError(msg)
    members.obey()
    members.is_captured = True
    if members.engine.has_unsent:
        msg = (
            f"Hyperparameters of {name} have changed since the last step, and a capture cannot "
            "send them; call optimizer.refresh() before it."
        )
        raise LearnerError(msg)


def refresh(name: str, learners: Sequence[Any]) -> None:
    """Send what has changed to the GPU, before a CUDA graph replays a step of these learners.

    Args:
        name: name of the class.
        learners: those of the last step.
    """
    if not learners:
        msg = f"{name} has done no step that a graph could replay."
        raise LearnerError(msg)
    for members in learners:
        if members.is_on_gpu:  # on the host every step reads the hyperparameters
            members.refresh()


def refuse_making(name: str, groups: Sequence[Mapping[str, Any]]) -> None:
    """Raise if a CUDA graph is being captured before what a step needs has been made.

    Args:
        name: name of the class.
        groups: the groups of the optimizer.
    """
    if any(is_on_gpu(p) for group in groups for p in group["params"]) and is_capturing():
        msg = (
            f"Before capturing a CUDA graph with a step of {name}, call optimizer.step() once with "
            "gradients of the same parameters: it makes states and tables, which a capture cannot."
        )
        raise LearnerError(msg)
