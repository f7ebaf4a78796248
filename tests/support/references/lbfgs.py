"""L-BFGS."""

import numpy as np


def lbfgs(params, grads, state, t, history_size=10, *, lr):
    """Algorithm 7.4 of Nocedal and Wright (2006), on one vector, with PyTorch's first step."""
    g = np.concatenate([gradient.ravel() for gradient in grads])
    if t == 1:
        state.update(pairs=[], gamma=1.0)
    else:
        s, y = state["moved"], g - state["g"]
        state["pairs"] = [*state["pairs"], (s, y)][-history_size:]
        if s @ y > 1e-10:
            state["gamma"] = (s @ y) / (y @ y)
    pairs = [(s, y) for s, y in state["pairs"] if s @ y > 1e-10]
    r, alphas = g.copy(), []
    for s, y in reversed(pairs):
        alphas.append((s @ r) / (s @ y))
        r = r - alphas[-1] * y
    r = state["gamma"] * r
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        r = r + (alpha - (y @ r) / (s @ y)) * s
    rate = lr * min(1.0, 1.0 / np.abs(g).sum()) if t == 1 else lr
    state["moved"], state["g"] = -rate * r, g
    start = 0
    for p in params:
        p[...] = p - rate * r[start : start + p.size].reshape(p.shape)
        start += p.size
