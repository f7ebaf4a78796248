"""AdaBelief and ACProp with epsilon added to the second moment at every step."""

import numpy as np


def adabelief(params, grads, state, t, *, lr, beta1, beta2, eps, eps_root):
    """Algorithm 2 of Zhuang et al. (2020)."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["s"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        surprise = g - state["m"][i]
        state["s"][i] = beta2 * state["s"][i] + (1.0 - beta2) * surprise**2 + eps_root
        m_hat = state["m"][i] / (1.0 - beta1**t)
        s_hat = state["s"][i] / (1.0 - beta2**t)
        p[...] = p - lr * m_hat / (np.sqrt(s_hat) + eps)


def acprop(params, grads, state, t, *, lr, beta1, beta2, eps, eps_root, weight_decay):
    """ACProp of Zhuang et al. (2021); the surprise is taken of the mean before."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["s"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        root = 1.0 if t == 1 else np.sqrt(state["s"][i] / (1.0 - beta2 ** (t - 1)))
        p[...] = p - lr * (g / (root + eps) + weight_decay * p)
        surprise = g - state["m"][i]
        state["s"][i] = beta2 * state["s"][i] + (1.0 - beta2) * surprise**2 + eps_root
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
