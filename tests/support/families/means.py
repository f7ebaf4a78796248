"""Rules that keep means of parameters or infer the gradient, and FTRL."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from support.families.libraries import Arrays, Hyper, run_torch, same, torch_names

_run_po = partial(run_torch, module="pytorch_optimizer", foreach=False)


def _asgd(params: Arrays, gradients: list[Arrays], hypers: list[Hyper]) -> list[Arrays]:
    """torch keeps learning rate and weight of the average in its default dtype."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return run_torch("ASGD", same, params, gradients, hypers)
    finally:
        torch.set_default_dtype(before)


def _focus(params: Arrays, gradients: list[Arrays], hypers: list[Hyper]) -> list[Arrays]:
    """Without the pull at the first step, where only the library's rounding decides on it.

    The mean of one parameter is that parameter, from which decay alone can lead away.
    """
    first = hypers[0] if hypers[0]["weight_decay"] else {**hypers[0], "gamma": 0.0}
    return _run_po("FOCUS", torch_names, params, gradients, [first, *hypers[1:]])


def _ftrl(hyper: Hyper) -> Hyper:
    others = {name: hyper[name] for name in ("lr", "beta")}
    return {**others, "lambda_1": hyper["lambda1"], "lambda_2": hyper["lambda2"]}


def _length(hyper: Hyper) -> Hyper:
    return {**hyper, "memory_length": int(hyper["memory_length"])}


def _columns(run: Callable[..., list[Arrays]], params: Arrays, gradients: Any, hypers: Any) -> Any:
    """Vectors as columns, since the library takes no deviation of tensors of one dimension."""

    def column(x: np.ndarray) -> np.ndarray:
        return x.reshape(-1, 1) if x.ndim == 1 else x

    path = run([column(p) for p in params], [[column(g) for g in gs] for gs in gradients], hypers)
    return [[v.reshape(p.shape) for v, p in zip(values, params, strict=True)] for values in path]


TRUSTED = {
    "a2grad": partial(_run_po, "A2Grad", same),
    "adasmooth": partial(_run_po, "AdaSmooth", torch_names),
    "asgd": _asgd,
    "focus": _focus,
    "ftrl": partial(_run_po, "FTRL", _ftrl),
    "sgd_sai": partial(_columns, partial(_run_po, "SGDSaI", same)),
    "srmm": partial(_run_po, "SRMM", _length),
    "vsgd": partial(_run_po, "VSGD", same),
}
RANGES = {
    "a2grad": {"beta": (5.0, 15.0), "lips": (5.0, 15.0)},
    "adasmooth": {"beta1": (0.4, 0.6)},
    "asgd": {"lambd": (1e-3, 1e-1), "alpha": (0.5, 0.8), "t0": (3.0, 8.0)},
    # Weak, as a sign that differs in float32 must not show.
    "focus": {"gamma": (1e-7, 5e-7)},
    "ftrl": {"beta": (0.01, 0.1), "lambda1": (1e-6, 1e-5), "lambda2": (1e-3, 1e-1)},
    "srmm": {"beta": (0.4, 0.6), "memory_length": (7.0, 7.0)},
    # The library takes its prior at construction only.
    "vsgd": {"ghattg": (30.0, 30.0), "ps": (1e-8, 1e-8), "tau1": (0.7, 0.9), "tau2": (0.8, 0.95)},
}
PASSES = {"a2grad": 2, "sgd_sai": 2}
TRAINING = {"ftrl": {"lr": 0.5}}
