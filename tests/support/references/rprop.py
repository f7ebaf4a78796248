"""Rprop without weight backtracking of the parameter (Rprop-, with a pause where signs turn)."""

import numpy as np


def rprop(params, grads, state, t, *, lr, eta_minus, eta_plus, step_min, step_max):
    """Where the sign of the gradient turns, the step shrinks and the element waits."""
    if t == 1:
        state["step"] = [np.full(p.shape, lr) for p in params]
        state["last"] = [np.zeros(p.shape) for p in params]
    for i, (p, gradient) in enumerate(zip(params, grads, strict=True)):
        g, length = np.array(gradient), np.array(state["step"][i])
        product = g * state["last"][i]
        length[product > 0] *= eta_plus
        length[product < 0] *= eta_minus
        g[product < 0] = 0.0
        state["step"][i] = np.clip(length, step_min, step_max)
        state["last"][i] = g
        p[...] = p - state["step"][i] * np.sign(g)
