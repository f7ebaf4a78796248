"""Relatives of Adam in qhoptim, timm and pytorch_optimizer, and rules of the curvature."""

import warnings
from functools import partial
from typing import Any

import pytest

from support.families.libraries import (
    Hyper,
    optax_names,
    run_optax,
    run_torch,
    same,
    timm_module,
    torch_names,
)
from support.families.steppers import run_stepper, step_timm, without, without_hidden_eps

_po = partial(run_torch, module="pytorch_optimizer", foreach=False)


def _qhadam(*problem: Any) -> Any:
    def names(hyper: Hyper) -> dict:
        return {**torch_names(without(hyper, "nu1", "nu2")), "nus": (hyper["nu1"], hyper["nu2"])}

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This overload of add_", UserWarning)
        warnings.filterwarnings("ignore", "This overload of addcdiv_", UserWarning)
        return run_torch("QHAdam", names, *problem, module="qhoptim.pyt")


def _laprop(*problem: Any) -> Any:
    torch = pytest.importorskip("torch")
    usual = torch.get_default_dtype()
    # timm keeps the sum of weights in the default dtype.
    torch.set_default_dtype(torch.float64)
    try:
        return step_timm("laprop", "LaProp", *problem, foreach=False)
    finally:
        torch.set_default_dtype(usual)


def _mars(mars_type: str, *problem: Any) -> Any:
    def names(hyper: Hyper, _: int) -> dict:
        given = torch_names(hyper)
        return {**given, "betas_1d": given["betas"]}

    learner = timm_module("mars").Mars
    return run_stepper(lambda tensors, _: learner(tensors, mars_type=mars_type), names, *problem)


def _adamg(hyper: Hyper) -> dict:
    return torch_names({**without(hyper, "scale", "power")})


def _stable_adamw(*problem: Any) -> Any:
    return _po("StableAdamW", torch_names, *problem, kahan_sum=False)


def _fadam(*problem: Any) -> Any:
    torch = pytest.importorskip("torch")

    def names(hyper: Hyper) -> dict:
        return {**torch_names(without(hyper, "eps2")), "eps_2": hyper["eps2"]}

    double = {"momentum_dtype": torch.float64, "fim_dtype": torch.float64}
    return _po("FAdam", names, *problem, **double)


def _aida(*problem: Any) -> Any:
    return run_stepper(
        lambda tensors, _: without_hidden_eps("Aida")(tensors, foreach=False),
        lambda hyper, _: torch_names(without(hyper, "xi")),
        *problem,
    )


def _amos(*problem: Any) -> Any:
    base = pytest.importorskip("pytorch_optimizer").Amos

    class Scaled(base):
        def get_scale(self, _: Any) -> float:
            return self.param_groups[0]["scale"]

    return run_stepper(
        lambda tensors, hyper: Scaled(tensors, lr=hyper["lr"], foreach=False),
        lambda hyper, _: hyper,
        *problem,
    )


def _apollo(hyper: Hyper) -> dict:
    return without(hyper, "rebound")


def _sophia(*problem: Any) -> Any:
    optax = pytest.importorskip("optax")
    given = optax.GradientTransformationExtraArgs(
        lambda _: optax.EmptyState(),
        lambda updates, state, params=None, *, hessian_diag: (hessian_diag, state),
    )
    return run_optax(
        "sophia",
        lambda hyper: optax_names(without(hyper, "hessian_diag")),
        *problem,
        module="optax.contrib",
        extras={"hessian_diag": "hessian_diag"},
        hessian_diagonal_fn=given,
        update_interval=10,
    )


TRUSTED = {
    "adamg": partial(_po, "AdamG", _adamg),
    "aida": _aida,
    "amos": _amos,
    "apollo": partial(_po, "ApolloDQN", _apollo, warmup_steps=0),
    "fadam": _fadam,
    "gravity": partial(_po, "Gravity", same),
    "laprop": _laprop,
    "mars_adamw": partial(_mars, "adamw"),
    "mars_lion": partial(_mars, "lion"),
    "msvag": partial(_po, "MSVAG", same),
    "qhadam": _qhadam,
    "sophia": _sophia,
    "stable_adamw": _stable_adamw,
}
# The libraries fix a range of one point when they are constructed, and gravity's random start
# has no counterpart in the reference.
RANGES = {
    "adamg": {"beta3": (0.8, 0.95), "scale": (0.2, 0.2), "power": (0.24, 0.24)},
    "aida": {"xi": (1e-20, 1e-20)},
    "amos": {"beta": (0.8, 0.95), "scale": (0.1, 1.0), "eps": (1e-18, 1e-17)},
    "apollo": {"beta": (0.8, 0.95), "rebound": (0.01, 0.01), "eps": (1e-4, 1e-3)},
    "fadam": {"eps2": (0.01, 0.1), "clip": (0.5, 2.0)},
    "gravity": {"alpha": (0.0, 0.0), "beta": (0.8, 0.95)},
    "mars_adamw": {"gamma": (0.01, 0.1)},
    "mars_lion": {"gamma": (0.01, 0.1)},
    "msvag": {"beta": (0.88, 0.92)},
    "qhadam": {"nu1": (0.5, 1.0), "nu2": (0.5, 1.0)},
    "sophia": {"gamma": (0.5, 5.0), "clip_threshold": (0.5, 2.0)},
}
SCALAR = {
    "adamg": "a power with a free exponent is a call of libm",
}
PASSES = {
    "aida": 2,
    "amos": 2,
    "apollo": 2,
    "fadam": 3,
    "gravity": 2,
    "mars_adamw": 2,
    "mars_lion": 2,
    "stable_adamw": 2,
}
