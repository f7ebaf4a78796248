"""RMSprop with epsilon outside the root, and a variant with a warm start and no epsilon."""

import numpy as np


def rmsprop(params, grads, state, t, *, lr, alpha, eps, weight_decay):
    """No bias correction: the running mean starts at 0."""
    if t == 1:
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["v"][i] = alpha * state["v"][i] + (1.0 - alpha) * (g * g)
        p[...] = p - lr * (g / (np.sqrt(state["v"][i]) + eps))


def my_rmsprop(params, grads, state, t, *, lr, rho):
    """The running mean starts at 1e-6, which takes the place of an epsilon."""
    if t == 1:
        state["a"] = [np.full(p.shape, 1e-6) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["a"][i] = rho * state["a"][i] + (1.0 - rho) * (g * g)
        p[...] = p - lr * (g / np.sqrt(state["a"][i]))
