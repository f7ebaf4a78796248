"""Adam in the form that ends section 2 of the paper, as torch's SparseAdam and Keras have it."""

import math

import numpy as np


def sparse_adam(params, grads, state, t, *, lr, beta1, beta2, eps):
    """Kingma and Ba (2015), end of section 2, for rows that all have a gradient."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    rate = lr * math.sqrt(1.0 - beta2**t) / (1.0 - beta1**t)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = state["m"][i] + (1.0 - beta1) * (g - state["m"][i])
        state["v"][i] = state["v"][i] + (1.0 - beta2) * (g * g - state["v"][i])
        p[...] = p - rate * state["m"][i] / (np.sqrt(state["v"][i]) + eps)


def adam_keras(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """The same after every weight has shrunk."""
    for p in params:
        p[...] = p - lr * weight_decay * p
    sparse_adam(params, grads, state, t, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
