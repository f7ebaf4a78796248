"""Kinds of momentum: quasi-hyperbolic, aggregated, accelerated, PID, positive-negative."""

import math
import warnings
from functools import partial
from unittest import mock

import pytest

from support.families.libraries import (
    Arrays,
    Hyper,
    optax_names,
    run_optax,
    run_torch,
    same,
    torch_names,
)


def _positive_negative(hyper: Hyper) -> Hyper:
    others = {name: value for name, value in hyper.items() if not name.startswith("beta")}
    betas = [hyper[name] for name in ("beta1", "beta2", "beta0") if name in hyper]
    return {**others, "betas": tuple(betas)}


def _adapnm(params: Arrays, gradients: list[Arrays], hypers: list[Hyper]) -> list[Arrays]:
    """With epsilon after the correction, as the authors, and without another 1e-15 in the root."""
    library = pytest.importorskip("pytorch_optimizer")
    corrected = [
        {**h, "eps": h["eps"] * math.sqrt(1.0 - h["beta2"] ** t)} for t, h in enumerate(hypers, 1)
    ]
    plain = partial(library.AdaPNM.apply_ams_bound, exp_avg_sq_eps=0.0)
    with mock.patch.object(library.AdaPNM, "apply_ams_bound", staticmethod(plain)):
        return _run_po("AdaPNM", _positive_negative, params, gradients, corrected)


def _qhm(params: Arrays, gradients: list[Arrays], hypers: list[Hyper]) -> list[Arrays]:
    """The authors' package calls torch in a way of old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run_torch("QHM", same, params, gradients, hypers, module="qhoptim.pyt")


_run_po = partial(run_torch, module="pytorch_optimizer", foreach=False)

TRUSTED = {
    "accsgd": partial(_run_po, "AccSGD", same),
    "adapnm": _adapnm,
    "aggmo": partial(_run_po, "AggMo", torch_names),
    "optimistic_gradient_descent": partial(run_optax, "optimistic_gradient_descent", optax_names),
    "pid": partial(_run_po, "PID", same),
    "pnm": partial(_run_po, "PNM", _positive_negative),
    "qhm": _qhm,
}
RANGES = {
    "accsgd": {"kappa": (500.0, 1500.0), "xi": (5.0, 15.0), "constant": (0.6, 0.8)},
    "adapnm": {"beta0": (0.5, 1.0)},
    # The library keeps its buffers under the values of the betas, which so cannot change.
    "aggmo": {"beta1": (0.0, 0.0), "beta2": (0.9, 0.9), "beta3": (0.99, 0.99)},
    "optimistic_gradient_descent": {"alpha": (0.8, 1.2), "beta": (0.8, 1.2)},
    "pid": {"integral": (3.0, 7.0), "derivative": (5.0, 15.0)},
    "pnm": {"beta0": (0.5, 1.0)},
    "qhm": {"nu": (0.5, 1.0)},
}
TRAINING = {"pid": {"lr": 1e-3}, "qhm": {"lr": 0.5}}
