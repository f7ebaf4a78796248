"""Learners that learn the curvature of the loss from the gradients of all parameters."""

from collections.abc import Sequence
from typing import Any

import pytest

from support.families.libraries import Arrays, Hyper

_KEPT = 10


def _run_lbfgs(params: Arrays, grads: Sequence[Arrays], hypers: Sequence[Hyper]) -> list[Arrays]:
    """PyTorch's, where a pair that is refused has a place, too, until it is the oldest."""
    torch = pytest.importorskip("torch")
    own = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in params]
    optimizer = torch.optim.LBFGS(
        own, max_iter=1, history_size=_KEPT, tolerance_grad=0, tolerance_change=0
    )
    state: dict[str, Any] = optimizer.state[own[0]]
    path, ages = [], []
    for gradients, hyper in zip(grads, hypers, strict=True):
        optimizer.param_groups[0]["lr"] = hyper["lr"]
        while ages and ages[0] >= _KEPT - 1:
            for name in ("old_dirs", "old_stps", "ro"):
                state[name].pop(0)
            ages.pop(0)

        def closure(gradients: Arrays = gradients) -> Any:
            for p, g in zip(own, gradients, strict=True):
                p.grad = torch.tensor(g, dtype=torch.float64)
            return torch.zeros(())

        optimizer.step(closure)
        ages = [age + 1 for age in ages]
        ages += [0] * (len(state["old_dirs"]) - len(ages))
        path.append([p.detach().numpy().copy() for p in own])
    return path


TRUSTED = {"lbfgs": _run_lbfgs}
TRAINING = {"lbfgs": {"lr": 0.1}}
PASSES = {"lbfgs": 2}
