"""AdaShift with ten gradients, the maximum over the tensor, and corrections for the start."""

import numpy as np


def adashift(params, grads, state, t, keep_num=10, *, lr, beta1, beta2, eps):
    """AdaShift of Zhou et al. (2019): a weighted mean of the last gradients, v from older ones."""
    if t == 1:
        state["past"] = []
        state["v"] = [0.0 for p in params]
    past = state["past"] = [*state["past"], [g.copy() for g in grads]][-keep_num - 1 :]
    if t <= keep_num:
        return
    weights = [beta1**i for i in range(keep_num)]
    for i, p in enumerate(params):
        window = [gradients[i] for gradients in reversed(past[1:])]
        m = sum(w * g for w, g in zip(weights, window, strict=True)) / sum(weights)
        square = np.max(past[0][i] ** 2, initial=0.0)
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * square
        v_hat = state["v"][i] / (1.0 - beta2 ** (t - keep_num))
        p[...] = p - lr * m / (np.sqrt(v_hat) + eps)
