"""Rules that divide a running mean of the gradient by a running root mean square."""

import numpy as np


def adam_uncorrected(params, grads, state, t, *, lr, beta1, beta2, eps):
    """Adam of MLX, which corrects nothing by default."""
    for p, _, m, v in _moments(params, grads, state, t, beta1, beta2):
        p[...] = p - lr * m / (np.sqrt(v) + eps)


def adamc(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, max_lr):
    """AdamW with the corrected decay of Defazio (2025)."""
    for p, _, m, v in _moments(params, grads, state, t, beta1, beta2):
        p[...] = p * (1.0 - lr**2 / max_lr * weight_decay)
        p[...] = p - lr * _direction(m, v, t, beta1, beta2, eps)


def cautious_adamw(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """AdamW masked as in timm: the mask divided by its mean, which is at least 1e-3."""
    for p, g, m, v in _moments(params, grads, state, t, beta1, beta2):
        p[...] = p * (1.0 - lr * weight_decay)
        mask = np.asarray(m * g > 0, float)
        mask = mask / max(mask.sum() / max(mask.size, 1), 1e-3)
        p[...] = p - lr * mask * _direction(m, v, t, beta1, beta2, eps)


def grams(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 1 of Cao, Li and Song (2024)."""
    for p, g, m, v in _moments(params, grads, state, t, beta1, beta2):
        p[...] = p * (1.0 - lr * weight_decay)
        p[...] = p - lr * np.sign(g) * np.abs(_direction(m, v, t, beta1, beta2, eps))


def padam(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Padam of Chen et al. (2020) without the maximum, for the power 1/4."""
    grads = [g + weight_decay * p for p, g in zip(params, grads, strict=True)]
    for p, _, m, v in _moments(params, grads, state, t, beta1, beta2):
        adam_lr = lr * np.sqrt(1.0 - beta2**t) / (1.0 - beta1**t)
        p[...] = p - adam_lr * m / (np.sqrt(v) + eps) ** 0.5


def diffgrad(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """diffGrad of Dubey et al. (2020), the epsilon as in the authors' code."""
    if t == 1:
        state["previous"] = [np.zeros(p.shape) for p in params]
    grads = [g + weight_decay * p for p, g in zip(params, grads, strict=True)]
    for i, (p, g, m, v) in enumerate(_moments(params, grads, state, t, beta1, beta2)):
        friction = 1.0 / (1.0 + np.exp(-np.abs(state["previous"][i] - g)))
        adam_lr = lr * np.sqrt(1.0 - beta2**t) / (1.0 - beta1**t)
        p[...] = p - adam_lr * friction * m / (np.sqrt(v) + eps)
        state["previous"][i] = g.copy()


def adabound(params, grads, state, t, *, lr, beta1, beta2, final_lr, gamma, eps, weight_decay):
    """AdaBound of Luo et al. (2019); the bounds follow the rate relative to the first one."""
    if t == 1:
        state["lr"] = lr
    final = final_lr * lr / state["lr"]
    lowest = final * (1.0 - 1.0 / (gamma * t + 1.0))
    highest = final * (1.0 + 1.0 / (gamma * t))
    for p, _, m, v in _moments(params, grads, state, t, beta1, beta2):
        p[...] = p * (1.0 - lr * weight_decay)
        rate = lr * np.sqrt(1.0 - beta2**t) / (1.0 - beta1**t) / (np.sqrt(v) + eps)
        p[...] = p - np.clip(rate, lowest, highest) * m


def adamod(params, grads, state, t, *, lr, beta1, beta2, beta3, eps, weight_decay):
    """AdaMod of Ding et al. (2019), with decoupled decay."""
    if t == 1:
        state["rate"] = [np.zeros(p.shape) for p in params]
    for i, (p, _, m, v) in enumerate(_moments(params, grads, state, t, beta1, beta2)):
        p[...] = p * (1.0 - lr * weight_decay)
        rate = lr * np.sqrt(1.0 - beta2**t) / (1.0 - beta1**t) / (np.sqrt(v) + eps)
        state["rate"][i] = beta3 * state["rate"][i] + (1.0 - beta3) * rate
        p[...] = p - np.minimum(rate, state["rate"][i]) * m


def exadam(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """EXAdam of Adly (2024), with decoupled decay."""
    for p, g, m, v in _moments(params, grads, state, t, beta1, beta2):
        p[...] = p * (1.0 - lr * weight_decay)
        d1 = 1.0 + v / (v + eps) * beta2**t
        d2 = 1.0 + m**2 / (m**2 + eps) * beta1**t
        corrected_m = m / (1.0 - beta1**t) * d1
        corrected_g = g / (1.0 - beta1**t) * d1
        corrected_v = v / (1.0 - beta2**t) * d2
        p[...] = p - lr * (corrected_m + corrected_g) / (np.sqrt(corrected_v) + eps)


def adanorm(params, grads, state, t, *, lr, beta1, beta2, rho, eps, weight_decay):
    """AdaNorm's Adam of Dubey, Singh and Chaudhuri (2023), with decoupled decay."""
    if t == 1:
        state["e"] = [0.0 for _ in params]
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        p[...] = p * (1.0 - lr * weight_decay)
        g_norm = np.sqrt(np.sum(g * g))
        state["e"][i] = rho * state["e"][i] + (1.0 - rho) * g_norm
        s = g * (state["e"][i] / g_norm) if 0 < g_norm < state["e"][i] else g
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * s
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        p[...] = p - lr * _direction(state["m"][i], state["v"][i], t, beta1, beta2, eps)


def adahessian(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, hessian_diag):
    """AdaHessian of Yao et al. (2021) without spatial averaging, the Hessian power being 1."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, (p, g, h) in enumerate(zip(params, grads, hessian_diag, strict=True)):
        p[...] = p * (1.0 - lr * weight_decay)
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (h * h)
        p[...] = p - lr * _direction(state["m"][i], state["v"][i], t, beta1, beta2, eps)


def _moments(params, grads, state, t, beta1, beta2):
    """Parameter, gradient and new running means of every tensor."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        yield p, g, state["m"][i], state["v"][i]


def _direction(m, v, t, beta1, beta2, eps):
    """Adam's step: m_hat / (sqrt(v_hat) + eps)."""
    return m / (1.0 - beta1**t) / (np.sqrt(v / (1.0 - beta2**t)) + eps)
