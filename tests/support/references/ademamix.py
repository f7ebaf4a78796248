"""AdEMAMix, and its form with one momentum."""

import numpy as np


def ademamix(params, grads, state, t, *, lr, beta1, beta2, beta3, alpha, eps, weight_decay):
    """Algorithm 1 of Pagliardini et al. (2024); the caller schedules alpha and beta3."""
    if t == 1:
        for name in ("fast", "slow", "v"):
            state[name] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["fast"][i] = beta1 * state["fast"][i] + (1.0 - beta1) * g
        state["slow"][i] = beta3 * state["slow"][i] + (1.0 - beta3) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        mixture = state["fast"][i] / (1.0 - beta1**t) + alpha * state["slow"][i]
        root = np.sqrt(state["v"][i] / (1.0 - beta2**t))
        p[...] = p - lr * (mixture / (root + eps) + weight_decay * p)


def simplified_ademamix(params, grads, state, t, *, lr, beta1, beta2, alpha, eps, weight_decay):
    """The form of Morwani et al. (2025): the momentum is a sum, and nothing corrects it."""
    if t == 1:
        state["sum"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["sum"][i] = beta1 * state["sum"][i] + g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        root = np.sqrt(state["v"][i] / (1.0 - beta2**t))
        mixture = state["sum"][i] + alpha * g
        p[...] = p - lr * (mixture / (root + eps) + weight_decay * p)
