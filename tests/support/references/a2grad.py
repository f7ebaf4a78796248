"""A2Grad with uniform weights of the variance."""

import numpy as np


def a2grad(params, grads, state, t, *, beta, lips):
    """Algorithm 1 of Deng et al. (2018), the mean including the gradient itself."""
    if t == 1:
        state["sum"] = [np.zeros(p.shape) for p in params]
        state["variance"] = [0.0 for _ in params]
        state["x"] = [p.copy() for p in params]
    here, after = 1.0 if t == 1 else 2.0 / (t + 2.0), 2.0 / (t + 3.0)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["sum"][i] = state["sum"][i] + g
        state["variance"][i] += np.sum((g - state["sum"][i] / t) ** 2)
        pace = 1.0 / (2.0 * lips / (t + 1.0) + beta * np.sqrt(state["variance"][i]))
        state["x"][i] = state["x"][i] - pace * g
        p[...] = (1.0 - after) * p + after * state["x"][i] - (1.0 - after) * here * pace * g
