"""Learners that scale steps or gradients by means and norms of the whole model."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from support.families.libraries import Arrays, Hyper, run_torch, torch_names

_RUN = partial(run_torch, module="pytorch_optimizer", foreach=False)
_SCALE = 2.0**30


def _adai_names(hyper: Hyper) -> Hyper:
    others = {name: value for name, value in hyper.items() if not name.startswith("beta")}
    return {**others, "betas": (hyper["beta0"], hyper["beta2"])}


def _adagc_names(hyper: Hyper) -> Hyper:
    others = {name: value for name, value in hyper.items() if name not in ("beta1", "beta2")}
    return {**others, "betas": (hyper["beta1"], hyper["beta2"])}


def squared_norm_of_the_model(groups: Any) -> Any:
    """What pytorch_optimizer's function of a like name is, which sums in float32."""
    torch = pytest.importorskip("torch")
    gradients = [p.grad for group in groups for p in group["params"]]
    return torch.stack([g.square().sum() for g in gradients]).sum().reshape(1)


def _run_adagc(params: Arrays, grads: Sequence[Arrays], hypers: Sequence[Hyper]) -> list[Arrays]:
    module = pytest.importorskip("pytorch_optimizer.optimizer.adagc")
    with patch.object(module, "get_global_gradient_norm", squared_norm_of_the_model):
        return _RUN("AdaGC", _adagc_names, params, grads, hypers)


def _run_adai(params: Arrays, grads: Sequence[Arrays], hypers: Sequence[Hyper]) -> list[Arrays]:
    """Everything times a large number, which the rule commutes with.

    The library raises the mean of v to its eps, which then never happens.
    """
    large = [[_SCALE * g for g in step] for step in grads]
    path = _RUN("Adai", _adai_names, [_SCALE * p for p in params], large, hypers)
    return [[p / _SCALE for p in step] for step in path]


TRUSTED = {
    "adagc": _run_adagc,
    "adai": _run_adai,
    "adams": partial(_RUN, "AdamS", torch_names),
}
UNTRUSTED = {
    "avagrad": (
        "The authors' code and pytorch_optimizer take the factor of a step from the mean square "
        "before the one that they divide by; the paper takes it from the same."
    )
}
RANGES = {
    "adagc": {
        "beta": (0.9, 0.99),
        "lambda_abs": (0.5, 2.0),
        "lambda_rel": (0.9, 1.1),
        # Each step draws it, so that the path goes back and forth between both ways of clipping.
        "warmup_steps": (1.0, 20.0),
    },
    "adai": {"beta0": (0.05, 0.3), "eps": (1e-3, 1e-2)},
    # AdamS adds the eps that it was made with to the mean.
    "adams": {"eps": (1e-8, 1e-8)},
    "avagrad": {"eps": (1e-2, 0.2)},
}
TRAINING = {"adai": {"lr": 0.1}, "avagrad": {"lr": 0.1}}
PASSES = {"adagc": 2, "adai": 2, "adams": 2}
