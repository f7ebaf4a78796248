"""Runs learners of torch's kind that need more than other hyperparameters at each step."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from support.families.libraries import Arrays, Hyper, timm_module, torch_names


def run_stepper(
    make: Callable[[list, Hyper], Any],
    settings: Callable[[Hyper, int], dict],
    params: Arrays,
    gradient_sequence: Sequence[Arrays],
    hyper_sequence: Sequence[Hyper],
    before: Callable[[list, Hyper], None] | None = None,
) -> list[Arrays]:
    """The parameters after each step of what `make` gives for tensors and the first arguments.

    `settings` gives the entries of the group at a step, counted from 1; `before` is called with
    the tensors before each step.
    """
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in params]
    learner = make(tensors, hyper_sequence[0])
    trajectory = []
    for t, (grads, hyper) in enumerate(zip(gradient_sequence, hyper_sequence, strict=True), 1):
        learner.param_groups[0].update(settings(hyper, t))
        for tensor, g in zip(tensors, grads, strict=True):
            tensor.grad = torch.tensor(g, dtype=torch.float64)
        if before is not None:
            before(tensors, hyper)
        learner.step()
        trajectory.append([tensor.detach().numpy().copy() for tensor in tensors])
    return trajectory


def without(hyper: Hyper, *names: str) -> Hyper:
    """All arguments but those of these names."""
    return {name: value for name, value in hyper.items() if name not in names}


def late_adam(tensors: list, hyper: Hyper) -> Any:
    """torch's Adam after so many steps that its corrections are 1, with empty running means."""
    torch = pytest.importorskip("torch")
    learner = torch.optim.Adam(tensors, lr=hyper["lr"], foreach=False)
    for tensor in tensors:
        learner.state[tensor] = {
            "step": torch.tensor(1e7),
            "exp_avg": torch.zeros_like(tensor),
            "exp_avg_sq": torch.zeros_like(tensor),
        }
    return learner


def without_hidden_eps(name: str) -> type:
    """The class of pytorch_optimizer, which adds 1e-15 to v, without that."""
    base = getattr(pytest.importorskip("pytorch_optimizer"), name)

    def apply_ams_bound(ams_bound: bool, exp_avg_sq: Any, max_exp_avg_sq: Any, eps: float) -> Any:
        del ams_bound, max_exp_avg_sq
        return exp_avg_sq.sqrt().add_(eps)

    return type(name, (base,), {"apply_ams_bound": staticmethod(apply_ams_bound)})


def corrected_eps(hyper: Hyper, t: int) -> float:
    """The epsilon that, added before v is corrected, is ours afterwards."""
    return hyper["eps"] * float(np.sqrt(1 - hyper["beta2"] ** t))


def step_timm(module: str, optimizer: str, *problem: Any, **fixed: Any) -> Any:
    """The parameters after each step of a learner of timm."""
    learner = getattr(timm_module(module), optimizer)
    return run_stepper(
        lambda tensors, _: learner(tensors, **fixed), lambda h, _: torch_names(h), *problem
    )
