"""COCOB-Backprop."""

import numpy as np


def cocob(params, grads, state, t, *, alpha, eps):
    """Algorithm 2 of Orabona and Tommasi (2017), with g for the gradient (theirs is negative)."""
    if t == 1:
        state["start"] = [p.copy() for p in params]
        state["largest"] = [np.full(p.shape, eps) for p in params]
        for name in ("total", "reward", "theta"):
            state[name] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        start = state["start"][i]
        state["largest"][i] = np.maximum(state["largest"][i], np.abs(g))
        state["total"][i] = state["total"][i] + np.abs(g)
        state["reward"][i] = np.maximum(state["reward"][i] - g * (p - start), 0.0)
        state["theta"][i] = state["theta"][i] - g
        largest = state["largest"][i]
        bet = state["theta"][i] / (
            largest * np.maximum(state["total"][i] + largest, alpha * largest)
        )
        p[...] = start + bet * (largest + state["reward"][i])
