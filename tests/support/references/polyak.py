"""Polyak's step size and ALI-G; both ask for the loss."""

import numpy as np


def polyak_sgd(params, grads, state, t, *, lr, scaling, f_min, eps, loss):
    """SPS_max of Loizou et al. (2021), multiplied by `scaling`."""
    del state, t
    square = sum(np.sum(g * g) for g in grads) + eps
    size = 0.0 if square <= np.finfo(np.float64).eps else min((loss - f_min) / square, lr)
    for p, g in zip(params, grads, strict=True):
        p[...] = p - scaling * size * g


def alig(params, grads, state, t, *, lr, momentum, eps, loss):
    """ALI-G of Berrada et al. (2020) with Nesterov momentum, without a projection."""
    if t == 1:
        state["b"] = [np.zeros(p.shape) for p in params]
    size = min(loss / (sum(np.sum(g * g) for g in grads) + eps), lr)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["b"][i] = momentum * state["b"][i] - size * g
        p[...] = p - size * g + momentum * state["b"][i]
