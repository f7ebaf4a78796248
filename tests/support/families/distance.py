"""Learners that take the size of their steps from the distance that was moved."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from support.families.libraries import Arrays, Hyper, optax_names, run_optax


def _optax_names(hyper: Hyper) -> Hyper:
    return {name: value for name, value in optax_names(hyper).items() if name != "reps_rel"}


def _run_dog(params: Arrays, grads: Sequence[Arrays], hypers: Sequence[Hyper]) -> list[Arrays]:
    start = ("heuristic", hypers[0]["reps_rel"])
    return run_optax(
        "dog", _optax_names, params, grads, hypers, module="optax.contrib", init_step=start
    )


def _run_l_dog(params: Arrays, grads: Sequence[Arrays], hypers: Sequence[Hyper]) -> list[Arrays]:
    """Its updates have the sign of the gradient, and those of a scalar one axis too many."""
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    path, values, state = [], params, None
    with jax.enable_x64(True):
        for step, hyper in zip(grads, hypers, strict=True):
            rule = optax.scale_by_distance_over_gradients(
                hyper["reps_rel"], hyper["eps"], param_dtype=jax.numpy.float64
            )
            state = rule.init([jax.numpy.asarray(p) for p in values]) if state is None else state
            updates, state = rule.update(step, state, values)
            values = [
                p - hyper["lr"] * np.asarray(u).reshape(p.shape)
                for p, u in zip(values, updates, strict=True)
            ]
            path.append(values)
    return path


TRUSTED = {
    "dog": _run_dog,
    "dowg": partial(run_optax, "dowg", _optax_names, module="optax.contrib"),
    "l_dog": _run_l_dog,
}
# First distances that are large enough for the maximum to become the distance that was moved.
_DOG = {"lr": (0.5, 2.0), "reps_rel": (1e-2, 0.1)}
RANGES = {"dog": _DOG, "dowg": {"lr": (0.5, 2.0), "eps": (1e-3, 1e-2)}, "l_dog": _DOG}
TRAINING = {"dog": {"lr": 1.0}, "dowg": {"lr": 1.0}, "l_dog": {"lr": 1.0}}
PASSES = {"dog": 2, "dowg": 2, "l_dog": 2}
