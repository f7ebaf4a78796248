"""ADOPT with clipping."""

import numpy as np


def adopt(params, grads, state, t, *, lr, beta1, beta2, eps):
    """ADOPT of Taniguchi et al. (2024), with their clipping; nothing moves at t == 1."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [g * g for g in grads]
        return
    limit = (t - 1) ** 0.25
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        normalised = np.clip(g / np.maximum(np.sqrt(state["v"][i]), eps), -limit, limit)
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * normalised
        p[...] = p - lr * state["m"][i]
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
