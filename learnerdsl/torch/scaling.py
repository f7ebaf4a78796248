"""Take part in the scaling of gradients by `torch.amp.GradScaler`, as fused optimizers do."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from learnerdsl.torch.devices import divide


class Door:
    """Lets a GPU leave out updates, while the host goes on.

    Args:
        engine: the engine of a learner on a GPU.
    """

    def __init__(self, engine: Any) -> None:
        self.gate = engine.guard()

    def close(self, found: Any) -> None:
        """Leave out the next updates if `found` is not 0; None stands for 0."""
        if found is None:
            self.gate.zero_()
        else:
            self.gate.copy_(torch.as_tensor(found).reshape(1))


def unscale(
    optimizer: Any, parameters: Iterable[torch.Tensor], learners: Sequence[Any] = ()
) -> bool:
    """Divide the gradients, in place, by the scale that a GradScaler has set.

    Args:
        optimizer: it may have the attributes `grad_scale`, a number of shape (), and `found_inf`,
            which is above 0 if a gradient holds NaN or infinity.
        parameters: those with these gradients.
        learners: the learners of the optimizer. If all are on a GPU that can look at `found_inf`
            itself, the host does not wait for its value.

    Returns:
        Whether to do the update.
    """
    found = getattr(optimizer, "found_inf", None)
    if learners and all(own.can_close for own in learners):
        for own in learners:
            own.close(found)
    elif found is not None and float(found) > 0:
        return False
    scale = getattr(optimizer, "grad_scale", None)
    if scale is not None:
        with torch.no_grad():
            divide([p.grad for p in parameters if p.grad is not None], scale)
    return True
