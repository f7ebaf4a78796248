"""Rules that draw random numbers."""

from unittest import mock

import numpy as np
import pytest

from support.families.libraries import Arrays, Hyper
from support.references.noisy_sgd import _normal


def _noisy_sgd(params: Arrays, gradients: list[Arrays], hypers: list[Hyper]) -> list[Arrays]:
    """optax, given the numbers of our generator in place of its own."""
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    path: list[Arrays] = []

    def ours(*_: object, **__: object) -> list:
        t = len(path) + 1
        draws = [_normal(p.size, stream=1, seed=0, step=t, tensor=k) for k, p in enumerate(params)]
        return [jax.numpy.asarray(d.reshape(p.shape)) for d, p in zip(draws, params, strict=True)]

    with jax.enable_x64(True), mock.patch.object(optax.tree, "random_like", ours):
        values = [jax.numpy.asarray(p) for p in params]
        state = optax.noisy_sgd(0.1, key=0).init(values)
        for grads, h in zip(gradients, hypers, strict=True):
            rule = optax.noisy_sgd(h["lr"], eta=h["eta"], gamma=h["gamma"], key=0)
            updates, state = rule.update([jax.numpy.asarray(g) for g in grads], state, values)
            values = optax.apply_updates(values, updates)
            path.append([np.array(v) for v in values])
    return path


TRUSTED = {"noisy_sgd": _noisy_sgd}
RANGES = {"noisy_sgd": {"eta": (0.01, 1.0), "gamma": (0.4, 0.7)}}
SCALAR = {"noisy_sgd": "a normal number takes a logarithm and a cosine of the C library"}
