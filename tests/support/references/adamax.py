"""Adamax with epsilon inside the maximum, and AdamaxW."""

import numpy as np


def adamax(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 2 of Kingma and Ba (2015); only the mean gradient needs a bias correction."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["u"] = [np.zeros(p.shape) for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["u"][i] = np.maximum(beta2 * state["u"][i], np.abs(g) + eps)
        p[...] = p - (lr / (1.0 - beta1**t)) * (state["m"][i] / state["u"][i])


def adamaxw(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Adamax of the gradient alone, and the decay beside it."""
    before = [p.copy() for p in params]
    adamax(params, grads, state, t, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=0.0)
    for p, old in zip(params, before, strict=True):
        p[...] = p - lr * weight_decay * old
