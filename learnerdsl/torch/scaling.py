"""Take part in the scaling of gradients by `torch.amp.GradScaler`, as fused optimizers do."""

from collections.abc import Iterable
from typing import Any

import torch

from learnerdsl.torch.devices import divide


def unscale(optimizer: Any, parameters: Iterable[torch.Tensor]) -> bool:
    """Divide the gradients, in place, by the scale that a GradScaler has set.

    Args:
        optimizer: it may have the attributes `grad_scale`, a number of shape (), and `found_inf`,
            which is above 0 if a gradient holds NaN or infinity. On a GPU the host waits for it.
        parameters: those with these gradients.

    Returns:
        Whether to do the update.
    """
    found = getattr(optimizer, "found_inf", None)
    if found is not None and float(found) > 0:
        return False
    scale = getattr(optimizer, "grad_scale", None)
    if scale is not None:
        with torch.no_grad():
            divide([p.grad for p in parameters if p.grad is not None], scale)
    return True
