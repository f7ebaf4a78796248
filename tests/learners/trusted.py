"""The libraries whose learners ours must follow, run in float64.

`TRUSTED[name](params, gradient_sequence, hyper_sequence)` gives the parameters after each step;
the hyperparameters, under our names, may change from step to step. torch and optax are imported
only when called, and the calling test is skipped where they are not installed.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest

Arrays = list[np.ndarray]
Hyper = dict[str, float]


def _run_torch(
    optimizer: str,
    rename: Callable[[Hyper], dict],
    params: Arrays,
    gradient_sequence: Sequence[Arrays],
    hyper_sequence: Sequence[Hyper],
) -> list[Arrays]:
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in params]
    options = rename(hyper_sequence[0])
    learner = getattr(torch.optim, optimizer)(tensors, foreach=False, **options)
    trajectory = []
    for grads, hyper in zip(gradient_sequence, hyper_sequence, strict=True):
        learner.param_groups[0].update(rename(hyper))
        for tensor, g in zip(tensors, grads, strict=True):
            tensor.grad = torch.tensor(g, dtype=torch.float64)
        learner.step()
        trajectory.append([tensor.detach().numpy().copy() for tensor in tensors])
    return trajectory


def _run_optax(
    optimizer: str,
    rename: Callable[[Hyper], dict],
    params: Arrays,
    gradient_sequence: Sequence[Arrays],
    hyper_sequence: Sequence[Hyper],
) -> list[Arrays]:
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    with jax.enable_x64(True):
        values = [jax.numpy.asarray(p, dtype=jax.numpy.float64) for p in params]
        factory = optax.inject_hyperparams(getattr(optax, optimizer))
        transformation = factory(**rename(hyper_sequence[0]))
        opt_state = transformation.init(values)
        update = jax.jit(transformation.update)
        trajectory = []
        for grads, hyper in zip(gradient_sequence, hyper_sequence, strict=True):
            for name, value in rename(hyper).items():
                if name in opt_state.hyperparams:
                    opt_state.hyperparams[name] = jax.numpy.asarray(value, jax.numpy.float64)
            gradients = [jax.numpy.asarray(g, dtype=jax.numpy.float64) for g in grads]
            updates, opt_state = update(gradients, opt_state, values)
            values = optax.apply_updates(values, updates)
            trajectory.append([np.array(value) for value in values])
    return trajectory


def _same(hyper: Hyper) -> dict:
    return dict(hyper)


def _torch_betas(hyper: Hyper) -> dict:
    others = {name: value for name, value in hyper.items() if not name.startswith("beta")}
    return {**others, "betas": (hyper["beta1"], hyper["beta2"])}


def _torch_amsgrad(hyper: Hyper) -> dict:
    return {**_torch_betas(hyper), "amsgrad": True}


def _torch_nesterov(hyper: Hyper) -> dict:
    return {**hyper, "nesterov": True}


def _torch_adagrad(hyper: Hyper) -> dict:
    others = {name: value for name, value in hyper.items() if name != "initial_accumulator"}
    return {**others, "initial_accumulator_value": hyper["initial_accumulator"]}


_OPTAX_NAMES = {"lr": "learning_rate", "beta1": "b1", "beta2": "b2", "rho": "decay"}


def _optax_names(hyper: Hyper) -> dict:
    return {_OPTAX_NAMES.get(name, name): value for name, value in hyper.items()}


def _optax_my_rmsprop(hyper: Hyper) -> dict:
    return {**_optax_names(hyper), "eps": 0.0, "initial_scale": 1e-6}


TRUSTED: dict[str, Callable[..., list[Arrays]]] = {
    "adadelta": partial(_run_torch, "Adadelta", _same),
    "adagrad": partial(_run_torch, "Adagrad", _torch_adagrad),
    "adam": partial(_run_torch, "Adam", _torch_betas),
    "adamax": partial(_run_torch, "Adamax", _torch_betas),
    "adamw": partial(_run_torch, "AdamW", _torch_betas),
    "amsgrad": partial(_run_torch, "Adam", _torch_amsgrad),
    "lamb": partial(_run_optax, "lamb", _optax_names),
    "lars": partial(_run_optax, "lars", _optax_names),
    "lion": partial(_run_optax, "lion", _optax_names),
    "momentum_sgd": partial(_run_torch, "SGD", _same),
    "my_rmsprop": partial(_run_optax, "rmsprop", _optax_my_rmsprop),
    "nesterov": partial(_run_torch, "SGD", _torch_nesterov),
    "rmsprop": partial(_run_torch, "RMSprop", _same),
    "sgd": partial(_run_torch, "SGD", _same),
}
