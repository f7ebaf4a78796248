"""AMSGrad with the maximum of the raw second moment (torch), and of the corrected one (optax)."""

import numpy as np


def amsgrad(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 2 of Reddi et al. (2018) with Adam's bias corrections."""
    if t == 1:
        for name in ("m", "v", "v_max"):
            state[name] = [np.zeros(p.shape) for p in params]
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        state["v_max"][i] = np.maximum(state["v_max"][i], state["v"][i])
        m_hat = state["m"][i] / (1.0 - beta1**t)
        v_hat = state["v_max"][i] / (1.0 - beta2**t)
        p[...] = p - lr * (m_hat / (np.sqrt(v_hat) + eps))


def amsgrad_optax(params, grads, state, t, *, lr, beta1, beta2, eps):
    """The same with the maximum taken of the corrected second moment."""
    if t == 1:
        for name in ("m", "v", "largest"):
            state[name] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        state["largest"][i] = np.maximum(state["largest"][i], state["v"][i] / (1.0 - beta2**t))
        m_hat = state["m"][i] / (1.0 - beta1**t)
        p[...] = p - lr * (m_hat / (np.sqrt(state["largest"][i]) + eps))
