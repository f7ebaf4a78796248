"""MADGRAD: dual averaging from the start, with a cube root for the scale."""

import numpy as np


def madgrad(params, grads, state, t, *, lr, momentum, eps):
    """Algorithm 1 of Defazio and Jelassi (2021), epsilon also added to the learning rate."""
    if t == 1:
        state["start"] = [p.copy() for p in params]
        state["q"] = [np.zeros(p.shape) for p in params]
        state["s"] = [np.zeros(p.shape) for p in params]
    weight = (lr + eps) * np.sqrt(t)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["q"][i] = state["q"][i] + weight * (g * g)
        state["s"][i] = state["s"][i] + weight * g
        z = state["start"][i] - state["s"][i] / (np.cbrt(state["q"][i]) + eps)
        p[...] = momentum * p + (1.0 - momentum) * z
