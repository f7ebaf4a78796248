"""LARS with the learning rate inside the buffer and the norm of the decayed gradient."""

import numpy as np


def lars(params, grads, state, t, *, lr, momentum, weight_decay, trust_coefficient, eps):
    """The trust ratio is 1 for a tensor whose weights or whose decayed gradient are all 0."""
    if t == 1:
        state["b"] = [np.zeros(p.shape) for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        p_norm = np.sqrt(np.sum(p * p))
        g_norm = np.sqrt(np.sum(g * g))
        vanishes = p_norm == 0 or g_norm == 0
        ratio = 1.0 if vanishes else trust_coefficient * p_norm / (g_norm + eps)
        state["b"][i] = momentum * state["b"][i] - lr * ratio * g
        p[...] = p + state["b"][i]
