"""Stable-SPAM with the weight decay of AdamW."""

import numpy as np


def stable_spam(
    params,
    grads,
    state,
    t,
    *,
    lr,
    beta1,
    beta2,
    gamma1,
    gamma2,
    theta,
    eps,
    weight_decay,
    reset_interval,
):
    """AdaClip, AdaGN and momentum resets of Huang et al. (2025), then Adam."""
    if t == 1:
        state["spike"] = [0.0 for p in params]
        state["norm"] = [0.0 for p in params]
        state["square"] = [0.0 for p in params]
        state["since"] = 0
    state["since"] += 1
    if t % reset_interval == 0:
        state["since"] = 1
    since = state["since"]
    if since == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        largest = np.max(np.abs(grad), initial=0.0)
        state["spike"][i] = theta * state["spike"][i] + (1.0 - theta) * largest
        limit = state["spike"][i] / (1.0 - theta**t)
        # 1.0 stands for a largest element of 0, of which nothing is clipped.
        g = np.where(np.abs(grad) > limit, grad / (largest or 1.0) * limit, grad)
        own = np.sqrt(np.sum(g * g))
        state["norm"][i] = gamma1 * state["norm"][i] + (1.0 - gamma1) * own
        state["square"][i] = gamma2 * state["square"][i] + (1.0 - gamma2) * own * own
        root = np.sqrt(state["square"][i] / (1.0 - gamma2**t))
        if own > 0:
            g = g / own * (state["norm"][i] / (1.0 - gamma1**t)) / (root + eps)
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * g * g
        v_hat = state["v"][i] / (1.0 - beta2**since)
        direction = state["m"][i] / (1.0 - beta1**since) / (np.sqrt(v_hat) + eps)
        p[...] = p - lr * weight_decay * p - lr * direction
