"""Adai (with coupled weight decay, dampening 1) and AdamS (stable weight decay)."""

import numpy as np


def adai(params, grads, state, t, *, lr, beta0, beta2, eps, weight_decay):
    """Adai of Xie et al. (2022), with the product of the inertias as it stands there."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
        state["product"] = [np.ones(p.shape) for p in params]
    decayed = [g + weight_decay * p for p, g in zip(params, grads, strict=True)]
    for i, g in enumerate(decayed):
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * g * g
    corrected = [v / (1.0 - beta2**t) for v in state["v"]]
    average = _mean(corrected)
    for i, (p, g) in enumerate(zip(params, decayed, strict=True)):
        beta1 = np.clip(1.0 - beta0 * corrected[i] / average, 0.0, 1.0 - eps)
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["product"][i] = state["product"][i] * beta1
        p[...] = p - lr * state["m"][i] / (1.0 - state["product"][i])


def adams(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Adam with stable weight decay of Xie et al. (2023), eps added to both roots."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, g in enumerate(grads):
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * g * g
    corrected = [v / (1.0 - beta2**t) for v in state["v"]]
    root = np.sqrt(_mean(corrected)) + eps
    for p, m, v_hat in zip(params, state["m"], corrected, strict=True):
        direction = m / (1.0 - beta1**t) / (np.sqrt(v_hat) + eps)
        p[...] = p - lr * weight_decay / root * p - lr * direction


def _mean(arrays):
    return sum(a.sum() for a in arrays) / sum(a.size for a in arrays)
