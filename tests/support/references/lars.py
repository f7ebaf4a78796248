"""LARS with the learning rate inside the buffer or outside it, and LARC."""

import numpy as np


def lars(params, grads, state, t, *, lr, momentum, weight_decay, trust_coefficient, eps):
    """The trust ratio is 1 for a tensor whose weights or whose decayed gradient are all 0."""
    if t == 1:
        state["b"] = [np.zeros(p.shape) for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        p_norm = np.sqrt(np.sum(p * p))
        g_norm = np.sqrt(np.sum(g * g))
        vanishes = p_norm == 0 or g_norm == 0
        ratio = 1.0 if vanishes else trust_coefficient * p_norm / (g_norm + eps)
        state["b"][i] = momentum * state["b"][i] - lr * ratio * g
        p[...] = p + state["b"][i]


def lars_timm(
    params,
    grads,
    state,
    t,
    trust_clip=False,
    always_adapt=False,
    *,
    lr,
    momentum,
    dampening,
    weight_decay,
    trust_coefficient,
    eps,
):
    """The ratio of You et al. (2017); none without weight decay, none where a norm is 0."""
    if t == 1:
        state["b"] = [None for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        p_norm = np.sqrt(np.sum(p * p))
        g_norm = np.sqrt(np.sum(grad * grad))
        ratio = 1.0
        if p_norm > 0 and g_norm > 0:
            ratio = trust_coefficient * p_norm / (g_norm + weight_decay * p_norm + eps)
        if trust_clip:
            ratio = min(ratio / lr, 1.0)
        if weight_decay == 0 and not always_adapt:
            ratio = 1.0
        g = ratio * (grad + weight_decay * p)
        b = state["b"][i]
        state["b"][i] = g if b is None else momentum * b + (1.0 - dampening) * g
        p[...] = p - lr * state["b"][i]
