"""Kinds of momentum: quasi-hyperbolic, accelerated, aggregated, PID, positive-negative."""

import math

import numpy as np


def qhm(params, grads, state, t, *, lr, momentum, nu, weight_decay):
    """Algorithm 1 of Ma and Yarats (2019)."""
    if t == 1:
        state["b"] = [np.zeros(p.shape) for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["b"][i] = momentum * state["b"][i] + (1.0 - momentum) * g
        p[...] = p - lr * ((1.0 - nu) * g + nu * state["b"][i])


def accsgd(params, grads, state, t, *, lr, kappa, xi, constant, weight_decay):
    """Algorithm 1 of Kidambi et al. (2018): a short step, a long step, and their mean."""
    if t == 1:
        state["w"] = [p.copy() for p in params]
    long_step = lr * kappa / constant
    alpha = 1.0 - xi * constant**2 / kappa
    beta = 1.0 - alpha
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["w"][i] = alpha * state["w"][i] + (1.0 - alpha) * (p - long_step * g)
        short = p - lr * g
        p[...] = (constant * short + beta * state["w"][i]) / (constant + beta)


def aggmo(params, grads, state, t, *, lr, beta1, beta2, beta3, weight_decay):
    """Equation 2 of Lucas et al. (2019) with three velocities."""
    betas = (beta1, beta2, beta3)
    if t == 1:
        state["v"] = [[np.zeros(p.shape) for _ in betas] for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["v"][i] = [beta * v + g for beta, v in zip(betas, state["v"][i], strict=True)]
        p[...] = p - lr * sum(state["v"][i]) / len(betas)


def pid(params, grads, state, t, *, lr, momentum, dampening, integral, derivative, weight_decay):
    """The derivative begins with the second gradient."""
    if t == 1:
        state["i"] = [np.zeros(p.shape) for p in params]
        state["d"] = [np.zeros(p.shape) for p in params]
        state["last"] = [None] * len(params)
    for k, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["i"][k] = momentum * state["i"][k] + (1.0 - dampening) * g
        state["d"][k] = momentum * state["d"][k]
        if t > 1:
            state["d"][k] = state["d"][k] + (1.0 - momentum) * (g - state["last"][k])
        state["last"][k] = g
        p[...] = p - lr * (g + integral * state["i"][k] + derivative * state["d"][k])


def pnm(params, grads, state, t, *, lr, beta1, beta0, weight_decay):
    """Algorithm 1 of Xie et al. (2021), with decoupled decay."""
    moved = _positive_negative(grads, state, t, beta1, beta0)
    for p, u in zip(params, moved, strict=True):
        p[...] = p * (1.0 - lr * weight_decay)
        p[...] = p - lr * u


def adapnm(params, grads, state, t, *, lr, beta1, beta2, beta0, eps, weight_decay):
    """Algorithm 2 of Xie et al. (2021), with AMSGrad and decoupled decay."""
    if t == 1:
        state["v"] = [np.zeros(p.shape) for p in params]
        state["largest"] = [np.zeros(p.shape) for p in params]
    moved = _positive_negative(grads, state, t, beta1, beta0)
    for i, (p, g, u) in enumerate(zip(params, grads, moved, strict=True)):
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        state["largest"][i] = np.maximum(state["largest"][i], state["v"][i])
        root = np.sqrt(state["largest"][i]) / math.sqrt(1.0 - beta2**t) + eps
        p[...] = p * (1.0 - lr * weight_decay)
        p[...] = p - lr / (1.0 - beta1**t) * u / root


def _positive_negative(grads, state, t, beta1, beta0):
    """The difference of two buffers, which odd and even steps feed in turns."""
    if t == 1:
        state["odd"] = [np.zeros(g.shape) for g in grads]
        state["even"] = [np.zeros(g.shape) for g in grads]
    positive, negative = ("odd", "even") if t % 2 else ("even", "odd")
    scale = math.sqrt((1.0 + beta0) ** 2 + beta0**2)
    result = []
    for i, g in enumerate(grads):
        state[positive][i] = beta1**2 * state[positive][i] + (1.0 - beta1**2) * g
        result.append(((1.0 + beta0) * state[positive][i] - beta0 * state[negative][i]) / scale)
    return result
