"""AvaGrad with coupled weight decay."""

import numpy as np


def avagrad(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """AvaGrad of Savarese et al. (2021) with means corrected for their start.

    The factor of a step is computed at the end of the one before; the first step does not move.
    """
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    total, count = 0.0, 0
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        if t > 1:
            v_hat = state["v"][i] / (1.0 - beta2 ** (t - 1))
            m_hat = state["m"][i] / (1.0 - beta1**t)
            p[...] = p - lr * state["gamma"] * m_hat / (np.sqrt(v_hat) + eps)
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * g * g
        rates = 1.0 / (np.sqrt(state["v"][i] / (1.0 - beta2**t)) + eps)
        total += np.sum(rates * rates)
        count += rates.size
    state["gamma"] = 1.0 / np.sqrt(total / count)
