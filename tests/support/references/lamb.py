"""LAMB without and with clipping; the identity for phi, the decay inside the trust ratio."""

import numpy as np


def lamb(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 2 of You et al. (2020); the trust ratio is 1 where a norm is 0."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        m_hat = state["m"][i] / (1.0 - beta1**t)
        v_hat = state["v"][i] / (1.0 - beta2**t)
        u = m_hat / (np.sqrt(v_hat) + eps) + weight_decay * p
        p_norm = np.sqrt(np.sum(p * p))
        u_norm = np.sqrt(np.sum(u * u))
        ratio = 1.0 if p_norm == 0 or u_norm == 0 else p_norm / u_norm
        p[...] = p - lr * ratio * u


def lamb_timm(
    params,
    grads,
    state,
    t,
    trust_clip=False,
    always_adapt=False,
    *,
    lr,
    beta1,
    beta2,
    eps,
    weight_decay,
    max_norm,
):
    """The same after clipping all gradients together; no trust ratio without weight decay."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    total = np.sqrt(sum(np.sum(g * g) for g in grads))
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad / max(total / max_norm, 1.0)
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        m_hat = state["m"][i] / (1.0 - beta1**t)
        v_hat = state["v"][i] / (1.0 - beta2**t)
        u = m_hat / (np.sqrt(v_hat) + eps) + weight_decay * p
        p_norm = np.sqrt(np.sum(p * p))
        u_norm = np.sqrt(np.sum(u * u))
        ratio = 1.0 if p_norm == 0 or u_norm == 0 else p_norm / u_norm
        if trust_clip:
            ratio = min(ratio, 1.0)
        if weight_decay == 0 and not always_adapt:
            ratio = 1.0
        p[...] = p - lr * ratio * u
