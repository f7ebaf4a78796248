"""SPlus; tensors of more than two axes are stacks of matrices."""

import numpy as np


def splus(
    params,
    grads,
    state,
    t,
    every=100,
    *,
    lr,
    beta1,
    beta2,
    weight_decay,
    ema_rate,
    nonstandard_constant,
):
    """The algorithm of Frans, Levine and Abbeel (2025); `evaluated` are the averages."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["average"] = [np.zeros(p.shape) for p in params]
        state["sides"] = {}
    state["evaluated"] = []
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        m = state["m"][k] = beta1 * state["m"][k] + (1 - beta1) * g
        rate = lr * nonstandard_constant if p.ndim < 2 else lr * 2 / sum(p.shape[-2:])
        u = np.sign(m)
        for index in np.ndindex(p.shape[:-2]) if p.ndim >= 2 else ():
            rows, cols = p.shape[-2:]
            left, right, q, r = state["sides"].get((k, index), (0, 0, np.eye(rows), np.eye(cols)))
            u[index] = q @ np.sign(q.T @ m[index] @ r) @ r.T
            left = beta2 * left + (1 - beta2) * g[index] @ g[index].T
            right = beta2 * right + (1 - beta2) * g[index].T @ g[index]
            if t == 1 or t % every == 0:
                q, r = np.linalg.eigh(left)[1], np.linalg.eigh(right)[1]
            state["sides"][k, index] = left, right, q, r
        p[...] = p - rate * u
        state["average"][k] = ema_rate * state["average"][k] + (1 - ema_rate) * p
        state["evaluated"].append(state["average"][k] / (1 - ema_rate**t))
        p[...] = p * (1 - rate * weight_decay)
