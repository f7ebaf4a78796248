"""Yogi with both moments corrected."""

import numpy as np


def yogi(params, grads, state, t, *, lr, beta1, beta2, eps, initial_accumulator):
    """Algorithm 2 of Zaheer et al. (2018) with Adam's corrections."""
    if t == 1:
        state["m"] = [np.full(p.shape, initial_accumulator) for p in params]
        state["v"] = [np.full(p.shape, initial_accumulator) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        square, v = g * g, state["v"][i]
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = v - (1.0 - beta2) * np.sign(v - square) * square
        m_hat = state["m"][i] / (1.0 - beta1**t)
        v_hat = state["v"][i] / (1.0 - beta2**t)
        p[...] = p - lr * m_hat / (np.sqrt(v_hat) + eps)
