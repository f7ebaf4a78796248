"""The learners of torch.optim and optax that the package began with."""

from functools import partial

from support.families.libraries import (
    Hyper,
    optax_names,
    run_optax,
    run_torch,
    same,
    torch_names,
)


def _torch_amsgrad(hyper: Hyper) -> Hyper:
    return {**torch_names(hyper), "amsgrad": True}


def _torch_nesterov(hyper: Hyper) -> Hyper:
    return {**hyper, "nesterov": True}


def _torch_adagrad(hyper: Hyper) -> Hyper:
    others = {name: value for name, value in hyper.items() if name != "initial_accumulator"}
    return {**others, "initial_accumulator_value": hyper["initial_accumulator"]}


def _optax_my_rmsprop(hyper: Hyper) -> Hyper:
    return {**optax_names(hyper), "eps": 0.0, "initial_scale": 1e-6}


TRUSTED = {
    "adadelta": partial(run_torch, "Adadelta", same),
    "adagrad": partial(run_torch, "Adagrad", _torch_adagrad),
    "adam": partial(run_torch, "Adam", torch_names),
    "adamax": partial(run_torch, "Adamax", torch_names),
    "adamw": partial(run_torch, "AdamW", torch_names),
    "amsgrad": partial(run_torch, "Adam", _torch_amsgrad),
    "lamb": partial(run_optax, "lamb", optax_names),
    "lars": partial(run_optax, "lars", optax_names),
    "lion": partial(run_optax, "lion", optax_names),
    "momentum_sgd": partial(run_torch, "SGD", same),
    "my_rmsprop": partial(run_optax, "rmsprop", _optax_my_rmsprop),
    "nesterov": partial(run_torch, "SGD", _torch_nesterov),
    "rmsprop": partial(run_torch, "RMSprop", same),
    "sgd": partial(run_torch, "SGD", same),
}
RANGES = {"adagrad": {"initial_accumulator": (0.0, 0.0)}}
TRAINING = {"adadelta": {"lr": 1.0}, "lars": {"lr": 1.0}}
PASSES = {"lamb": 2, "lars": 2}
