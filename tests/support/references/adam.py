"""Adam (coupled weight decay) and AdamW (decoupled)."""

import numpy as np


def adam(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 1 of Kingma and Ba (2015)."""
    decayed = [g + weight_decay * p for p, g in zip(params, grads, strict=True)]
    for p, direction in zip(params, _directions(decayed, state, t, beta1, beta2, eps), strict=True):
        p[...] = p - lr * direction


def adamw(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 2 of Loshchilov and Hutter (2019), the decay multiplied by the learning rate."""
    for p, direction in zip(params, _directions(grads, state, t, beta1, beta2, eps), strict=True):
        p[...] = p - lr * weight_decay * p
        p[...] = p - lr * direction


def _directions(grads, state, t, beta1, beta2, eps):
    """m_hat / (sqrt(v_hat) + eps) for every tensor."""
    if t == 1:
        state["m"] = [np.zeros(g.shape) for g in grads]
        state["v"] = [np.zeros(g.shape) for g in grads]
    directions = []
    for i, g in enumerate(grads):
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        m_hat = state["m"][i] / (1.0 - beta1**t)
        v_hat = state["v"][i] / (1.0 - beta2**t)
        directions.append(m_hat / (np.sqrt(v_hat) + eps))
    return directions
