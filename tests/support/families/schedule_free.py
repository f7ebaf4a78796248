"""Schedule-free learners, as the package of their authors."""

from functools import partial

import numpy as np
import pytest

from support.families.libraries import Arrays, Hyper, torch_names


def _sgd_names(hyper: Hyper) -> Hyper:
    others = {name: value for name, value in hyper.items() if name != "beta"}
    return {**others, "momentum": hyper["beta"]}


def run_schedulefree(optimizer, rename, params, gradient_sequence, hyper_sequence, averages=None):
    """The parameters after each step; `averages`, a list, receives those of the mode `eval`."""
    torch = pytest.importorskip("torch")
    schedulefree = pytest.importorskip("schedulefree")
    tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in params]
    learner = getattr(schedulefree, optimizer)(tensors, **rename(hyper_sequence[0]))
    learner.train()
    trajectory: list[Arrays] = []
    for grads, hyper in zip(gradient_sequence, hyper_sequence, strict=True):
        learner.param_groups[0].update(rename(hyper))
        for tensor, g in zip(tensors, grads, strict=True):
            tensor.grad = torch.tensor(np.asarray(g), dtype=torch.float64)
        learner.step()
        trajectory.append([tensor.detach().numpy().copy() for tensor in tensors])
        if averages is not None:
            learner.eval()
            averages.append([tensor.detach().numpy().copy() for tensor in tensors])
            learner.train()
    return trajectory


TRUSTED = {
    "schedule_free_adamw": partial(run_schedulefree, "AdamWScheduleFree", torch_names),
    "schedule_free_radam": partial(run_schedulefree, "RAdamScheduleFree", torch_names),
    "schedule_free_sgd": partial(run_schedulefree, "SGDScheduleFree", _sgd_names),
}

_RANGES = {"warmup_steps": (6.0, 6.0), "r": (0.0, 1.0), "weight_lr_power": (0.0, 2.0)}
RANGES = {
    "schedule_free_adamw": _RANGES,
    "schedule_free_radam": _RANGES,
    "schedule_free_sgd": {**_RANGES, "beta": (0.8, 0.95)},
}
TRAINING = {"schedule_free_sgd": {"lr": 0.5}}
