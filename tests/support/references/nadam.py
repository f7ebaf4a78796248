"""NAdam with torch's schedule of the momentum, and NAdamW as optax and as timm have it."""

import numpy as np


def nadam(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, momentum_decay):
    """NAdam of Dozat (2016) with his schedule of the momentum and an L2 penalty."""
    mu_now = beta1 * (1.0 - 0.5 * 0.96 ** (t * momentum_decay))
    mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    state["product"] = mu_now * (1.0 if t == 1 else state["product"])
    grads = [g + weight_decay * p for p, g in zip(params, grads, strict=True)]
    for p, g, m, root in _moments(params, grads, state, t, beta1, beta2):
        g_hat = g / (1.0 - state["product"])
        m_hat = m / (1.0 - state["product"] * mu_next)
        p[...] = p - lr * ((1.0 - mu_now) * g_hat + mu_next * m_hat) / (root + eps)


def nadamw(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """The same with one mu for all steps, and the decay beside the division."""
    for p, g, m, root in _moments(params, grads, state, t, beta1, beta2):
        g_hat = g / (1.0 - beta1**t)
        m_hat = m / (1.0 - beta1 ** (t + 1))
        look_ahead = beta1 * m_hat + (1.0 - beta1) * g_hat
        p[...] = p - lr * (look_ahead / (root + eps) + weight_decay * p)


def nadamw_timm(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Nesterov's momentum in table 1 of Choi et al. (2019): one correction for both parts."""
    for p, g, m, root in _moments(params, grads, state, t, beta1, beta2):
        p[...] = p - lr * weight_decay * p
        look_ahead = beta1 * m + (1.0 - beta1) * g
        p[...] = p - lr / (1.0 - beta1**t) * look_ahead / (root + eps)


def _moments(params, grads, state, t, beta1, beta2):
    """(p, g, m, root of the corrected v) for every tensor."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        yield p, g, state["m"][i], np.sqrt(state["v"][i] / (1.0 - beta2**t))
