"""Adan with proximal decay; the betas are the shares that are kept."""

import numpy as np


def adan(params, grads, state, t, *, lr, beta1, beta2, beta3, eps, weight_decay):
    """Algorithm 1 of Xie et al. (2022) with Adam's corrections, as in their code."""
    if t == 1:
        for name in ("m", "v", "n"):
            state[name] = [np.zeros(p.shape) for p in params]
        state["last"] = [g.copy() for g in grads]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        difference = g - state["last"][i]
        ahead = g + beta2 * difference
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * difference
        state["n"][i] = beta3 * state["n"][i] + (1.0 - beta3) * (ahead * ahead)
        m_hat = state["m"][i] / (1.0 - beta1**t)
        v_hat = state["v"][i] / (1.0 - beta2**t)
        n_hat = state["n"][i] / (1.0 - beta3**t)
        moved = p - lr * (m_hat + beta2 * v_hat) / (np.sqrt(n_hat) + eps)
        p[...] = moved / (1.0 + lr * weight_decay)
        state["last"][i] = g.copy()
