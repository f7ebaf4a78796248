"""Lion with decoupled weight decay."""

import numpy as np


def lion(params, grads, state, t, *, lr, beta1, beta2, weight_decay):
    """Program 1 of Chen et al. (2023): interpolate, take the sign, then track the momentum."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        c = beta1 * state["m"][i] + (1.0 - beta1) * g
        p[...] = p - lr * (np.sign(c) + weight_decay * p)
        state["m"][i] = beta2 * state["m"][i] + (1.0 - beta2) * g
