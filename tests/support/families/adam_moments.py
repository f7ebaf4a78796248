"""Variants of Adam in pytorch_optimizer and timm, and of Adam itself."""

from functools import partial
from typing import Any

from support.families.libraries import (
    Hyper,
    run_torch,
    same,
    timm_module,
    torch_names,
)
from support.families.steppers import (
    corrected_eps,
    late_adam,
    run_stepper,
    step_timm,
    without,
    without_hidden_eps,
)

_po = partial(run_torch, module="pytorch_optimizer", foreach=False)


def _late_adam(*problem: Any) -> Any:
    return run_stepper(late_adam, lambda hyper, _: torch_names(hyper), *problem)


def _adamc(*problem: Any) -> Any:
    def make(tensors: list, hyper: Hyper) -> Any:
        learner = timm_module("adamw").AdamWLegacy
        return learner(tensors, lr=hyper["lr"], corrected_weight_decay=True, foreach=False)

    def settings(hyper: Hyper, _: int) -> dict:
        return {**torch_names(without(hyper, "max_lr")), "max_lr_snapshot": hyper["max_lr"]}

    return run_stepper(make, settings, *problem)


def _unrooted(optimizer: str, *problem: Any, **fixed: Any) -> Any:
    def make(tensors: list, hyper: Hyper) -> Any:
        return without_hidden_eps(optimizer)(tensors, lr=hyper["lr"], foreach=False, **fixed)

    return run_stepper(make, lambda hyper, _: torch_names(hyper), *problem)


def _adanorm(*problem: Any) -> Any:
    def settings(hyper: Hyper, t: int) -> dict:
        others = torch_names(without(hyper, "rho"))
        return {**others, "r": hyper["rho"], "eps": corrected_eps(hyper, t)}

    def make(tensors: list, _: Hyper) -> Any:
        return without_hidden_eps("AdaNorm")(tensors, foreach=False)

    return run_stepper(make, settings, *problem)


def _adahessian(*problem: Any) -> Any:
    base = timm_module("adahessian").Adahessian
    given = {"zero_hessian": lambda _: None, "set_hessian": lambda _: None}

    def tell(tensors: list, hyper: Hyper) -> None:
        for tensor, h in zip(tensors, hyper["hessian_diag"], strict=True):
            tensor.hess = tensor.new_tensor(h)

    return run_stepper(
        lambda tensors, _: type("Adahessian", (base,), given)(tensors),
        lambda hyper, _: torch_names(without(hyper, "hessian_diag")),
        *problem,
        before=tell,
    )


TRUSTED = {
    "adabound": partial(_unrooted, "AdaBound"),
    "adahessian": _adahessian,
    "adam_uncorrected": _late_adam,
    "adamc": _adamc,
    "adamod": partial(_po, "AdaMod", torch_names),
    "adanorm": _adanorm,
    "cautious_adamw": partial(step_timm, "adamw", "AdamWLegacy", caution=True, foreach=False),
    "diffgrad": partial(_unrooted, "DiffGrad", weight_decouple=False),
    "exadam": partial(_po, "EXAdam", torch_names),
    "grams": partial(_po, "Grams", torch_names),
    "kate": partial(_po, "Kate", same),
    "padam": partial(_po, "PAdam", torch_names),
}
RANGES = {
    "adabound": {"final_lr": (0.05, 0.5), "gamma": (0.01, 0.5)},
    "adamc": {"max_lr": (0.1, 0.2)},
    "adamod": {"beta3": (0.9, 0.99)},
    "kate": {"delta": (0.0, 0.1)},
}
SCALAR = {"diffgrad": "the exponential of the friction is a call of libm"}
PASSES = {"adanorm": 2, "cautious_adamw": 2}
TRAINING = {"adamod": {"beta3": 0.9}, "kate": {"lr": 0.3, "eps": 1e-3}}
