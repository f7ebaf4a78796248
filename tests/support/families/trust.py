"""Learners that scale the steps of each tensor by norms."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from support.families.libraries import (
    Arrays,
    Hyper,
    optax_names,
    run_optax,
    run_torch,
    timm_module,
    torch_names,
)


def run_timm(
    module: str,
    optimizer: str,
    params: Arrays,
    grads: Sequence[Arrays],
    hypers: Sequence[Hyper],
    **fixed: Any,
) -> list[Arrays]:
    """The parameters after each step; scalars that timm keeps have the default dtype of torch."""
    timm_module(module)
    torch = pytest.importorskip("torch")
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return run_torch(
            optimizer, _timm_names, params, grads, hypers, module=f"timm.optim.{module}", **fixed
        )
    finally:
        torch.set_default_dtype(usual)


_TIMM_NAMES = {"trust_coefficient": "trust_coeff", "max_norm": "max_grad_norm"}


def _timm_names(hyper: Hyper) -> Hyper:
    named = {_TIMM_NAMES.get(name, name): value for name, value in hyper.items()}
    return torch_names(named) if "beta1" in named else named


def _run_stable_spam(
    params: Arrays, grads: Sequence[Arrays], hypers: Sequence[Hyper]
) -> list[Arrays]:
    """It keeps some of its arguments as attributes."""
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("pytorch_optimizer")
    tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in params]
    learner = library.StableSPAM(tensors, foreach=False)
    path = []
    for step, hyper in zip(grads, hypers, strict=True):
        learner.gamma1, learner.gamma2 = hyper["gamma1"], hyper["gamma2"]
        learner.theta, learner.update_proj_gap = hyper["theta"], hyper["reset_interval"]
        given = {name: hyper[name] for name in ("lr", "eps", "weight_decay")}
        learner.param_groups[0].update(given, betas=(hyper["beta1"], hyper["beta2"]))
        for tensor, g in zip(tensors, step, strict=True):
            tensor.grad = torch.tensor(g, dtype=torch.float64)
        learner.step()
        path.append([tensor.detach().numpy().copy() for tensor in tensors])
    return path


TRUSTED = {
    "adashift": partial(
        run_torch, "AdaShift", torch_names, module="pytorch_optimizer", foreach=False
    ),
    "fromage": partial(run_optax, "fromage", optax_names),
    "lamb_timm": partial(run_timm, "lamb", "Lamb"),
    "lars_timm": partial(run_timm, "lars", "Lars"),
    "novograd": partial(run_optax, "novograd", optax_names),
    "novograd_timm": partial(run_timm, "nvnovograd", "NvNovoGrad"),
    "stable_spam": _run_stable_spam,
}
RANGES = {
    # The mean of a window is no running mean if the weights change within it.
    "adashift": {"beta1": (0.85, 0.85)},
    "fromage": {"min_norm": (1e-7, 1e-5)},
    # timm clips to the norm it was made with; these gradients have norms on both sides of it.
    "lamb_timm": {"max_norm": (8.0, 8.0)},
    "novograd": {"beta2": (0.2, 0.9)},
    # Short memories, so that elements are clipped and the momentum is reset.
    "stable_spam": {
        "gamma1": (0.6, 0.8),
        "gamma2": (0.8, 0.95),
        "theta": (0.5, 0.9),
        "reset_interval": (7.0, 7.0),
    },
}
TRAINING = {"lars_timm": {"lr": 1.0, "weight_decay": 1e-3}}
PASSES = {
    "adashift": 2,
    "fromage": 2,
    "lamb_timm": 3,
    "lars_timm": 2,
    "novograd": 2,
    "novograd_timm": 2,
    "stable_spam": 3,
}
