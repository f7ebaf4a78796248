"""Optimistic Adam with Nesterov's momentum."""

import numpy as np


def optimistic_adam_v2(params, grads, state, t, *, lr, alpha, beta, beta1, beta2, eps):
    """Algorithm 1 of Daskalakis et al. (2018) about the direction of Dozat's NAdam."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
        state["last"] = [None for _ in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        m_hat = beta1 * state["m"][i] / (1.0 - beta1 ** (t + 1))
        m_hat = m_hat + (1.0 - beta1) * g / (1.0 - beta1**t)
        direction = m_hat / (np.sqrt(state["v"][i] / (1.0 - beta2**t)) + eps)
        change = 0.0 if t == 1 else direction - state["last"][i]
        p[...] = p - lr * (alpha * direction + beta * change)
        state["last"][i] = direction
