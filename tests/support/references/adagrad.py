"""Adagrad with epsilon outside the root."""

import numpy as np


def adagrad(params, grads, state, t, *, lr, lr_decay, weight_decay, initial_accumulator, eps):
    """The sum starts from `initial_accumulator`; the rate falls as 1 / (1 + (t - 1) lr_decay)."""
    if t == 1:
        state["s"] = [np.full(p.shape, initial_accumulator, np.float64) for p in params]
    rate = lr / (1.0 + (t - 1) * lr_decay)
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["s"][i] = state["s"][i] + g * g
        p[...] = p - rate * (g / (np.sqrt(state["s"][i]) + eps))
