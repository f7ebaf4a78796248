"""Learners that take the size of their steps from the value of the loss."""

from collections.abc import Sequence
from functools import partial
from unittest.mock import patch

import numpy as np
import pytest

from support.families.libraries import Arrays, Hyper, optax_names, run_optax
from support.families.whole_model import squared_norm_of_the_model

_MOMO = partial(
    run_optax,
    module="optax.contrib",
    extras={"loss": "value"},
    adapt_lower_bound=False,
)


def _momo_names(hyper: Hyper) -> Hyper:
    return {name: value for name, value in optax_names(hyper).items() if name != "loss"}


def _run_polyak(params: Arrays, grads: Sequence[Arrays], hypers: Sequence[Hyper]) -> list[Arrays]:
    """The parts of optax.polyak_sgd, the scaling after the step size, as its formula has it."""
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    path, values = [], params
    with jax.enable_x64(True):
        for step, hyper in zip(grads, hypers, strict=True):
            scale = optax.scale_by_polyak(hyper["f_min"], hyper["lr"], hyper["eps"])
            rule = optax.chain(scale, optax.sgd(hyper["scaling"]))
            updates, _ = rule.update(step, rule.init(values), values, value=hyper["loss"])
            values = [p + np.asarray(u) for p, u in zip(values, updates, strict=True)]
            path.append(values)
    return path


def _run_alig(params: Arrays, grads: Sequence[Arrays], hypers: Sequence[Hyper]) -> list[Arrays]:
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("pytorch_optimizer.optimizer.alig")
    tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in params]
    learner = module.AliG(tensors, max_lr=1.0, momentum=0.5, foreach=False)
    path = []
    with patch.object(module, "get_global_gradient_norm", squared_norm_of_the_model):
        for step, hyper in zip(grads, hypers, strict=True):
            learner.param_groups[0].update(max_lr=hyper["lr"], momentum=hyper["momentum"])
            for tensor, g in zip(tensors, step, strict=True):
                tensor.grad = torch.tensor(g, dtype=torch.float64)
            learner.step(lambda loss=hyper["loss"]: loss)
            path.append([tensor.detach().numpy().copy() for tensor in tensors])
    return path


TRUSTED = {
    "alig": _run_alig,
    "momo": partial(_MOMO, "momo", _momo_names),
    "momo_adam": partial(_MOMO, "momo_adam", _momo_names),
    "polyak_sgd": _run_polyak,
}
# A loss and a largest rate of such a size that each of them decides about some of the steps, also
# for 1e5 elements, and that the loss is no small difference of large products of m and p.
_LOSS = {"lr": (1.0, 100.0), "loss": (100.0, 200.0), "weight_decay": (1e-4, 1e-3)}
RANGES = {
    # ALI-G's eps is a constant of the library.
    "alig": {"eps": (1e-6, 1e-6)},
    # optax keeps the bound that it was made with.
    "momo": {**_LOSS, "beta": (0.8, 0.95), "lower_bound": (30.0, 30.0)},
    "momo_adam": {**_LOSS, "lower_bound": (30.0, 30.0)},
    "polyak_sgd": {"scaling": (0.5, 2.0), "f_min": (0.0, 0.5), "eps": (1e-9, 0.1)},
}
TRAINING = {"momo": {"lr": 1.0}, "polyak_sgd": {"lr": 1.0}}
PASSES = {"alig": 2, "momo": 2, "momo_adam": 2, "polyak_sgd": 2}
