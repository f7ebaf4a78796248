"""MoMo and MoMo-Adam with a fixed lower bound; both ask for the loss."""

import numpy as np

_EPS = np.finfo(np.float64).eps


def momo(params, grads, state, t, *, lr, beta, weight_decay, lower_bound, loss):
    """MoMo of Schaipp et al. (2024), all means starting from their first value."""
    if t == 1:
        state["m"] = [g.copy() for g in grads]
        state["f"], state["gamma"] = loss, _dot(grads, params)
    else:
        _means(params, grads, state, beta, loss)
    m = state["m"]
    shrink = 1.0 + lr * weight_decay
    gap = shrink * (state["f"] - lower_bound - state["gamma"]) + _dot(m, params)
    square = _dot(m, m)
    size = 0.0 if square <= _EPS else min(lr, max(gap, 0.0) / square)
    for p, direction in zip(params, m, strict=True):
        p[...] = p / shrink - size * direction


def momo_adam(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, lower_bound, loss):
    """MoMo-Adam of Schaipp et al. (2024), all means starting from 0."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
        state["f"], state["gamma"] = 0.0, 0.0
    _means(params, grads, state, beta1, loss)
    m = state["m"]
    directions = []
    for i, g in enumerate(grads):
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * g * g
        directions.append(m[i] / (eps + np.sqrt(state["v"][i] / (1.0 - beta2**t))))
    shrink, correction = 1.0 + lr * weight_decay, 1.0 - beta1**t
    gap = shrink * (state["f"] - correction * lower_bound - state["gamma"]) + _dot(m, params)
    square = _dot(m, directions)
    size = 0.0 if square <= _EPS else min(lr / correction, max(gap, 0.0) / square)
    for p, direction in zip(params, directions, strict=True):
        p[...] = p / shrink - size * direction


def _means(params, grads, state, beta, loss):
    state["m"] = [beta * m + (1.0 - beta) * g for m, g in zip(state["m"], grads, strict=True)]
    state["f"] = beta * state["f"] + (1.0 - beta) * loss
    state["gamma"] = beta * state["gamma"] + (1.0 - beta) * _dot(grads, params)


def _dot(one, other):
    return sum(np.sum(a * b) for a, b in zip(one, other, strict=True))
