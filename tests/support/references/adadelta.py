"""Adadelta with epsilon inside both roots."""

import numpy as np


def adadelta(params, grads, state, t, *, lr, rho, eps, weight_decay):
    """Algorithm 1 of Zeiler (2012): the step uses the mean of the squared steps before it."""
    if t == 1:
        state["v"] = [np.zeros(p.shape) for p in params]
        state["u"] = [np.zeros(p.shape) for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["v"][i] = rho * state["v"][i] + (1.0 - rho) * (g * g)
        rms_of_steps = np.sqrt(state["u"][i] + eps)
        rms_of_gradients = np.sqrt(state["v"][i] + eps)
        delta = (rms_of_steps / rms_of_gradients) * g
        state["u"][i] = rho * state["u"][i] + (1.0 - rho) * (delta * delta)
        p[...] = p - lr * delta
