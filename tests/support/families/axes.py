"""Rules with values for each row or axis: torch, optax, timm and their authors' packages."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from support.families.libraries import (
    Arrays,
    Hyper,
    run_optax,
    run_torch,
    same,
    timm_module,
    torch_names,
)
from support.families.steppers import run_stepper, without

_po = partial(run_torch, module="pytorch_optimizer", foreach=False)


def torch_adafactor(hyper: Hyper) -> Hyper:
    """The two epsilons as a tuple."""
    return {**without(hyper, "eps1", "eps2"), "eps": (hyper["eps1"], hyper["eps2"])}


def optax_adafactor(hyper: Hyper) -> Hyper:
    """The learning rate and the weight decay by optax's names."""
    others = without(hyper, "lr", "weight_decay")
    rates = {"learning_rate": hyper["lr"], "weight_decay_rate": hyper["weight_decay"]}
    return {**others, **rates}


def run_adafactor_bv(*problem: Any, **fixed: Any) -> Any:
    """timm's, with a momentum in float64."""
    torch = pytest.importorskip("torch")
    learner = timm_module("adafactor_bv").AdafactorBigVision
    return run_stepper(
        lambda tensors, _: learner(tensors, momentum_dtype=torch.float64, **fixed),
        lambda hyper, _: dict(hyper),
        *problem,
    )


def _came(*problem: Any) -> Any:
    def names(hyper: Hyper) -> Hyper:
        return torch_names(
            {**without(hyper, "eps1", "eps2"), "eps": (hyper["eps1"], hyper["eps2"])}
        )

    return run_torch("CAME", names, *problem, module="came_pytorch")


def _sm3(params: Arrays, gradient_sequence: Any, hyper_sequence: Any) -> list[Arrays]:
    """optax's, which needs an axis."""
    path = run_optax(
        "sm3",
        lambda hyper: {"learning_rate": hyper["lr"], "momentum": hyper["momentum"]},
        [np.atleast_1d(p) for p in params],
        [[np.atleast_1d(g) for g in gradients] for gradients in gradient_sequence],
        hyper_sequence,
    )
    return [[a.reshape(p.shape) for a, p in zip(arrays, params, strict=True)] for arrays in path]


def _adam_mini(params: Arrays, gradient_sequence: Any, hyper_sequence: Any) -> list[Arrays]:
    """pytorch_optimizer's, for which matrices are query weights with a head for each row."""
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("pytorch_optimizer")
    views = [(len(p), -1) if p.ndim > 1 else p.shape for p in params]
    model = torch.nn.Module()
    for k, (p, view) in enumerate(zip(params, views, strict=True)):
        layer = torch.nn.Module()
        weight = torch.nn.Parameter(torch.tensor(p.reshape(view)))
        layer.register_parameter("weight" if p.ndim > 1 else "bias", weight)
        model.add_module(f"layer{k}_q_proj", layer)

    def make(tensors: Any, _: Hyper) -> Any:
        learner = library.AdamMini(model, foreach=False)
        for group, tensor in zip(learner.param_groups, tensors, strict=True):
            group["params"] = [tensor]
            if tensor.ndim > 1:
                group["parameter_per_head"] = tensor.shape[1]
        return _AllGroups(learner)

    path = run_stepper(
        make,
        lambda hyper, _: torch_names(hyper),
        [p.reshape(view) for p, view in zip(params, views, strict=True)],
        [
            [g.reshape(view) for g, view in zip(gradients, views, strict=True)]
            for gradients in gradient_sequence
        ],
        hyper_sequence,
    )
    return [[a.reshape(p.shape) for a, p in zip(arrays, params, strict=True)] for arrays in path]


class _AllGroups:
    """A learner whose first group stands for all of them."""

    def __init__(self, learner: Any) -> None:
        self.step = learner.step
        self.param_groups = [self]
        self.groups = learner.param_groups

    def update(self, settings: dict) -> None:
        """Settings of every group."""
        for group in self.groups:
            group.update(settings)


def _projecting(module: str, optimizer: str, *problem: Any, **fixed: Any) -> Any:
    learner = getattr(timm_module(module), optimizer)
    return run_stepper(
        lambda tensors, hyper: learner(tensors, lr=hyper["lr"], **fixed),
        lambda hyper, _: torch_names(hyper),
        *problem,
    )


def _ranger(*problem: Any) -> Any:
    return _po("Ranger", torch_names, *problem, degenerated_to_sgd=True)


TRUSTED = {
    "adafactor": partial(run_torch, "Adafactor", torch_adafactor),
    "adafactor_bv": run_adafactor_bv,
    "adafactor_optax": partial(run_optax, "adafactor", optax_adafactor, min_dim_size_to_factor=128),
    "adam_mini": _adam_mini,
    "adamp": partial(_projecting, "adamp", "AdamP"),
    "adatam": partial(_po, "AdaTAM", torch_names),
    "came": _came,
    "nero": partial(_po, "Nero", same),
    "racs": partial(_po, "RACS", same),
    "ranger": _ranger,
    "sgdp": partial(_projecting, "sgdp", "SGDP"),
    "sm3": _sm3,
    "tam": partial(_po, "TAM", same),
}
TOLERANCES = {
    "adam_mini": (2e-5, "pytorch_optimizer keeps its moments in float32"),
}
_PROJECTION = {"delta": (0.2, 2.0), "wd_ratio": (0.05, 0.5)}
RANGES = {
    "adafactor": {
        "lr": (0.05, 0.5),
        "beta2_decay": (-1.0, -0.5),
        "d": (1.0, 1.2),
        "eps1": (1e-13, 1e-11),
        "eps2": (0.5, 1.5),
    },
    "adafactor_bv": {
        "decay_rate": (0.5, 1.0),
        "beta2_cap": (0.7, 0.95),
        "eps": (1e-30, 1e-29),
    },
    "adafactor_optax": {
        "decay_rate": (0.5, 1.0),
        "clipping_threshold": (0.7, 1.2),
        "eps": (1e-30, 1e-29),
    },
    "adamp": _PROJECTION,
    "adatam": {"decay_rate": (0.5, 0.95)},
    "came": {
        "beta3": (0.99, 0.9999),
        "eps1": (1e-30, 1e-29),
        "eps2": (1e-17, 1e-16),
        "clip_threshold": (0.7, 1.2),
    },
    "nero": {"beta": (0.9, 0.999)},
    "racs": {"beta": (0.8, 0.99), "alpha": (0.01, 0.1), "gamma": (1.005, 1.05)},
    "ranger": {"alpha": (0.3, 0.7), "eps": (1e-6, 1e-5)},
    "sgdp": _PROJECTION,
    "sm3": {"eps": (1e-8, 1e-8)},
    "tam": {"decay_rate": (0.5, 0.95)},
}
# Weights of norm 1 are none that these losses are small for.
TRAINING = {"nero": {"lr": 1.0, "constraints": False}}
PASSES = {
    "adafactor": 3,
    "adafactor_bv": 2,
    "adafactor_optax": 2,
    "adam_mini": 2,
    "adamp": 2,
    "adatam": 2,
    "came": 4,
    "nero": 3,
    "racs": 3,
    "ranger": 2,
    "sgdp": 2,
    "tam": 2,
}
