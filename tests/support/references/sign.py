"""Steps of one length: SignSGD, Signum and Tiger."""

import numpy as np


def sign_sgd(params, grads, state, t, *, lr):
    """Algorithm 1 of Bernstein et al. (2018)."""
    for p, g in zip(params, grads, strict=True):
        p[...] = p - lr * np.sign(g)


def signum(params, grads, state, t, *, lr, beta):
    """Algorithm 2 of Bernstein et al. (2018), without majority vote."""
    for p, m in zip(params, _means(grads, state, t, beta), strict=True):
        p[...] = p - lr * np.sign(m)


def tiger(params, grads, state, t, *, lr, beta, weight_decay):
    """Signum on parameters that decay first."""
    for p, m in zip(params, _means(grads, state, t, beta), strict=True):
        p[...] = p * (1.0 - lr * weight_decay)
        p[...] = p - lr * np.sign(m)


def _means(grads, state, t, beta):
    """The running mean of every gradient."""
    if t == 1:
        state["m"] = [np.zeros(g.shape) for g in grads]
    state["m"] = [beta * m + (1.0 - beta) * g for m, g in zip(state["m"], grads, strict=True)]
    return state["m"]
