"""Variants of RMSprop and Adagrad, Rprop, MADGRAD and COCOB."""

from functools import partial

from support.families.libraries import Hyper, run_optax, run_torch, same


def _centered(hyper: Hyper) -> Hyper:
    return {**hyper, "centered": True}


def _decay(hyper: Hyper) -> Hyper:
    return {"learning_rate": hyper["lr"], "decay": hyper["alpha"], "eps": hyper["eps"]}


def _accumulator(hyper: Hyper) -> Hyper:
    start = hyper["initial_accumulator"]
    return {
        "learning_rate": hyper["lr"],
        "initial_accumulator_value": start,
        "eps": hyper["eps"],
    }


def _etas(hyper: Hyper) -> Hyper:
    return {
        "lr": hyper["lr"],
        "etas": (hyper["eta_minus"], hyper["eta_plus"]),
        "step_sizes": (hyper["step_min"], hyper["step_max"]),
    }


TRUSTED = {
    "adagrad_optax": partial(run_optax, "adagrad", _accumulator),
    "cocob": partial(run_optax, "cocob", same, module="optax.contrib"),
    "madgrad": partial(run_torch, "MADGRAD", same, module="madgrad"),
    "rmsprop_centered": partial(run_torch, "RMSprop", _centered),
    "rmsprop_momentum": partial(run_torch, "RMSprop", same),
    "rmsprop_optax": partial(run_optax, "rmsprop", _decay),
    "rprop": partial(run_torch, "Rprop", _etas),
}
RANGES = {
    "adagrad_optax": {"initial_accumulator": (0.05, 0.2)},
    "cocob": {"alpha": (5.0, 150.0)},
    "rprop": {
        "eta_minus": (0.4, 0.6),
        "eta_plus": (1.1, 1.3),
        "step_min": (1e-6, 1e-2),
        "step_max": (0.05, 0.5),
    },
}
SCALAR = {"madgrad": "a cube root is a call of the C library"}
TRAINING = {"adagrad_optax": {"lr": 0.5}, "rmsprop_momentum": {"lr": 0.002}}
