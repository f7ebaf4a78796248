"""FTRL-proximal with a learning rate per coordinate."""

import numpy as np


def ftrl(params, grads, state, t, *, lr, beta, lambda1, lambda2):
    """Algorithm 1 of McMahan et al. (2013), whose alpha is the learning rate."""
    if t == 1:
        state["n"] = [np.zeros(p.shape) for p in params]
        state["z"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        n = state["n"][i] + g * g
        state["z"][i] = state["z"][i] + g - (np.sqrt(n) - np.sqrt(state["n"][i])) / lr * p
        state["n"][i] = n
        z, is_free = state["z"][i], np.abs(state["z"][i]) > lambda1
        divisor = np.where(is_free, (beta + np.sqrt(n)) / lr + lambda2, 1.0)
        p[...] = np.where(is_free, -(z - lambda1 * np.sign(z)) / divisor, 0.0)
