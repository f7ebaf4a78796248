"""RAdam with epsilon before (torch) or after (optax) the correction of the divisor."""

import math

import numpy as np


def radam(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 2 of Liu et al. (2020) with an L2 penalty, rectified from a length over 5."""
    rho, rho_inf = _lengths(beta2, t)
    grads = [g + weight_decay * p for p, g in zip(params, grads, strict=True)]
    for p, m_hat, v in _moments(params, grads, state, t, beta1, beta2):
        if rho > 5.0:
            scale = _rectification(rho, rho_inf) * math.sqrt(1.0 - beta2**t)
            p[...] = p - lr * scale * m_hat / (np.sqrt(v) + eps)
        else:
            p[...] = p - lr * m_hat


def radam_optax(params, grads, state, t, *, lr, beta1, beta2, eps, threshold):
    """The same with the threshold given, and epsilon beside the root of the corrected v."""
    rho, rho_inf = _lengths(beta2, t)
    for p, m_hat, v in _moments(params, grads, state, t, beta1, beta2):
        if rho >= threshold:
            root = np.sqrt(v / (1.0 - beta2**t))
            p[...] = p - lr * _rectification(rho, rho_inf) * m_hat / (root + eps)
        else:
            p[...] = p - lr * m_hat


def _lengths(beta2, t):
    """Length of the approximated simple moving average, now and in the long run."""
    rho_inf = 2.0 / (1.0 - beta2) - 1.0
    return rho_inf - 2.0 * t * beta2**t / (1.0 - beta2**t), rho_inf


def _rectification(rho, rho_inf):
    numerator = (rho - 4.0) * (rho - 2.0) * rho_inf
    return math.sqrt(numerator / ((rho_inf - 4.0) * (rho_inf - 2.0) * rho))


def _moments(params, grads, state, t, beta1, beta2):
    """(p, corrected m, v) for every tensor."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        yield p, state["m"][i] / (1.0 - beta1**t), state["v"][i]
