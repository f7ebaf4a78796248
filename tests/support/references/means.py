"""Rules that keep means of parameters or infer the gradient: FOCUS, SRMM, VSGD, AdaSmooth."""

import numpy as np


def focus(params, grads, state, t, *, lr, beta1, beta2, gamma, weight_decay):
    """The mean parameter is the parameter itself at the first step."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["mean"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["mean"][i] = beta2 * state["mean"][i] + (1.0 - beta2) * p
        mean = p.copy() if t == 1 else state["mean"][i] / (1.0 - beta2**t)
        p[...] = p - lr * weight_decay * mean
        p[...] = p - lr * (np.sign(state["m"][i]) + gamma * np.sign(p - mean))


def srmm(params, grads, state, t, *, lr, beta, memory_length):
    """Both means start at 0."""
    if t == 1:
        state["g"] = [np.zeros(p.shape) for p in params]
        state["p"] = [np.zeros(p.shape) for p in params]
    weight = (t % memory_length + 1.0) ** -beta
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["g"][i] = (1.0 - weight) * state["g"][i] + weight * g
        state["p"][i] = (1.0 - weight) * state["p"][i] + weight * p
        state["p"][i] = state["p"][i] - lr * state["g"][i]
        p[...] = state["p"][i]


def vsgd(params, grads, state, t, *, lr, ghattg, ps, tau1, tau2, eps, weight_decay):
    """Algorithm 1 of Chen et al. (2024)."""
    prior_g, prior_h, shape = 2.0 * ps, 2.0 * ps * ghattg, 2.0 * ps + 1.0 + 1e-4
    if t == 1:
        state["mean"] = [np.zeros(p.shape) for p in params]
        state["rate_g"] = [np.full(p.shape, prior_g) for p in params]
        state["rate_h"] = [np.full(p.shape, prior_h) for p in params]
    divisor = 2.0 * ps + 1e-4 if t == 1 else shape
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        p[...] = p * (1.0 - lr * weight_decay)
        own, measured = state["rate_g"][i] / divisor, state["rate_h"][i] / divisor
        before = state["mean"][i]
        mean = (before * measured + g * own) / (own + measured)
        variance = own * measured / (own + measured)
        new_g = prior_g + variance + (mean - before) ** 2
        new_h = prior_h + variance + (g - mean) ** 2
        state["mean"][i] = mean
        state["rate_g"][i] += t**-tau1 * (new_g - state["rate_g"][i])
        state["rate_h"][i] += t**-tau2 * (new_h - state["rate_h"][i])
        p[...] = p - lr * mean / (np.sqrt(mean * mean + variance) + eps)


def adasmooth(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Effective ratios of Lu (2022) for each element, over all steps."""
    if t == 1:
        state["last"] = [p.copy() for p in params]
        for name in ("s", "n", "v"):
            state[name] = [np.zeros(p.shape) for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        move = p - state["last"][i]
        state["s"][i] = state["s"][i] + move
        state["n"][i] = state["n"][i] + np.abs(move)
        ratio = np.abs(state["s"][i]) / (state["n"][i] + eps)
        c = (beta2 - beta1) * ratio + (1.0 - beta2)
        state["v"][i] = (1.0 - c**2) * state["v"][i] + c**2 * g**2
        state["last"][i] = p.copy()
        p[...] = p - lr * g / np.sqrt(state["v"][i] + eps)
