"""SGD-SaI: momentum, scaled for each tensor by the first gradient."""

import numpy as np


def sgd_sai(params, grads, state, t, *, lr, momentum, eps, weight_decay):
    """Algorithm 1 of Xu et al. (2024), with the norm itself where the deviation is 0."""
    if t == 1:
        state["b"] = [np.zeros(p.shape) for p in params]
        state["ratio"] = [_ratio(g, eps) for g in grads]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["b"][i] = momentum * state["b"][i] + (1.0 - momentum) * g
        p[...] = p * (1.0 - lr * weight_decay)
        p[...] = p - lr * state["ratio"][i] * state["b"][i]


def _ratio(g, eps):
    """The norm divided by the deviation with n - 1 degrees of freedom."""
    norm = np.sqrt(np.sum(g * g))
    deviation = np.std(g, ddof=1) if g.size > 1 else 0.0
    return norm if deviation <= 1e-6 * norm / np.sqrt(max(g.size, 1)) else norm / (deviation + eps)
