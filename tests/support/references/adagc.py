"""AdaGC, the clipping of gradients by the norms of their past, before AdamW."""

import numpy as np


def adagc(
    params,
    grads,
    state,
    t,
    *,
    lr,
    beta,
    beta1,
    beta2,
    eps,
    weight_decay,
    lambda_abs,
    lambda_rel,
    warmup_steps,
):
    """The clipping of Wang et al. (2025), and AdamW on what it leaves."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
        state["gamma"] = [np.inf for p in params]
    total = np.sqrt(sum(np.sum(g * g) for g in grads))
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        own = np.sqrt(np.sum(grad * grad))
        gamma = state["gamma"][i]
        if t == 1 or t < warmup_steps:
            g = min(1.0, lambda_abs / (total + eps)) * grad
            state["gamma"][i] = min(gamma, np.sqrt(np.sum(g * g)))
        else:
            g = min(1.0, lambda_rel * max(gamma, eps) / max(own, eps)) * grad
            state["gamma"][i] = beta * gamma + (1.0 - beta) * np.sqrt(np.sum(g * g))
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * g * g
        v_hat = state["v"][i] / (1.0 - beta2**t)
        direction = state["m"][i] / (1.0 - beta1**t) / (np.sqrt(v_hat) + eps)
        p[...] = p - lr * weight_decay * p - lr * direction
