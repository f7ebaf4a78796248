"""Rules with running means that differ from Adam's: other weights, orders or what is averaged."""

import numpy as np


def qhadam(params, grads, state, t, *, lr, beta1, beta2, nu1, nu2, eps, weight_decay):
    """QHAdam of Ma and Yarats (2019), with the adjusted betas of the authors' code."""
    if t == 1:
        state["weights"] = (0.0, 0.0)
        _zeros(state, params, "m", "v")
    w1, w2 = 1.0 + beta1 * state["weights"][0], 1.0 + beta2 * state["weights"][1]
    state["weights"] = (w1, w2)
    b1, b2 = 1.0 - 1.0 / w1, 1.0 - 1.0 / w2
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        decayed = g + weight_decay * p
        m = state["m"][i] = b1 * state["m"][i] + (1.0 - b1) * decayed
        v = state["v"][i] = b2 * state["v"][i] + (1.0 - b2) * decayed**2
        mean = (1.0 - nu1) * decayed + nu1 * m
        mean_square = (1.0 - nu2) * decayed**2 + nu2 * v
        p[...] = p - lr * mean / (np.sqrt(mean_square) + eps)


def laprop(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """LaProp of Ziyin, Wang and Ueda (2020), the rate inside the momentum as in timm."""
    if t == 1:
        state["l1"] = state["l2"] = 0.0
        _zeros(state, params, "m", "v")
    state["l1"] = beta1 * state["l1"] + (1.0 - beta1) * lr
    state["l2"] = beta2 * state["l2"] + (1.0 - beta2)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        v = state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * g**2
        normalised = lr * g / (np.sqrt(v / state["l2"]) + eps)
        m = state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * normalised
        p[...] = p - lr / state["l1"] * m
        p[...] = p - lr * weight_decay * p


def msvag(params, grads, state, t, *, lr, beta):
    """M-SVAG of Balles and Hennig (2018), the limits as in pytorch_optimizer."""
    if t == 1:
        _zeros(state, params, "m", "v")
    rho = (1.0 - beta) * (1.0 + beta**t) / ((1.0 + beta) * (1.0 - beta**t))
    rho = min(rho, 0.9999)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = beta * state["m"][i] + (1.0 - beta) * g
        state["v"][i] = beta * state["v"][i] + (1.0 - beta) * g**2
        m, v = state["m"][i] / (1.0 - beta**t), state["v"][i] / (1.0 - beta**t)
        # One gradient has no variance; v - m**2 would be its rounding, and be divided by 1e-4.
        variance = (v - m**2) / (1.0 - rho) if t > 1 else 0.0
        whole = m**2 + rho * variance
        factor = np.divide(m**2, whole, out=np.zeros(p.shape), where=m != 0)
        p[...] = p - lr * np.clip(factor, 0.0, 1.0) * m


def adamg(params, grads, state, t, *, lr, beta1, beta2, beta3, scale, power, eps, weight_decay):
    """AdamG of Pan et al. (2024), with coupled decay."""
    if t == 1:
        _zeros(state, params, "m", "v", "r")
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        decayed = g + weight_decay * p
        v = state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * decayed**2
        r = state["r"][i] = beta3 * state["r"][i] + (1.0 - beta3) * scale * v**power
        m = state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * r * decayed
        divisor = np.sqrt(v / (1.0 - beta2**t)) + eps
        p[...] = p - min(lr, t**-0.5) * m / (1.0 - beta1**t) / divisor


def stable_adamw(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 2 of Wortsman et al. (2023)."""
    if t == 1:
        _zeros(state, params, "m", "v")
    b1 = beta1 * (1.0 - beta1 ** (t - 1)) / (1.0 - beta1**t)
    b2 = beta2 * (1.0 - beta2 ** (t - 1)) / (1.0 - beta2**t)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        m = state["m"][i] = b1 * state["m"][i] + (1.0 - b1) * g
        v = state["v"][i] = b2 * state["v"][i] + (1.0 - b2) * g**2
        rate = lr / max(1.0, _rms(g / np.sqrt(np.maximum(v, eps**2))))
        p[...] = p - rate * weight_decay * p
        p[...] = p - rate * m / (np.sqrt(v) + eps)


def fadam(params, grads, state, t, *, lr, beta1, beta2, eps, eps2, clip, weight_decay):
    """FAdam of Hwang (2024), the exponent of the Fisher information being 1/2."""
    if t == 1:
        _zeros(state, params, "m", "f")
    b2 = beta2 * (1.0 - beta2 ** (t - 1)) / (1.0 - beta2**t)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        f = state["f"][i] = b2 * state["f"][i] + (1.0 - b2) * g**2
        divisor = np.sqrt(f) + (min(eps, eps2 * _rms(g)) or eps)
        natural = g / divisor
        natural = natural / max(1.0, _rms(natural) / clip)
        m = state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * natural
        decay = p / divisor
        decay = decay / max(1.0, _rms(decay) / clip)
        p[...] = p - lr * (m + weight_decay * decay)


def mars_adamw(params, grads, state, t, *, lr, beta1, beta2, gamma, eps, weight_decay):
    """MARS-AdamW of Yuan et al. (2024), AdamW for vectors; the first step compares nothing."""
    if t == 1:
        _zeros(state, params, "m", "v")
    corrected = _corrected(grads, state, t, beta1, gamma)
    for i, (p, g, c) in enumerate(zip(params, grads, corrected, strict=True)):
        used = g if p.ndim < 2 else c
        p[...] -= lr * (_adam_step(state, i, used, t, beta1, beta2, eps) + weight_decay * p)


def mars_lion(params, grads, state, t, *, lr, beta1, beta2, gamma, eps, weight_decay):
    """MARS-Lion of Yuan et al. (2024), AdamW for vectors."""
    if t == 1:
        _zeros(state, params, "m", "v")
    corrected = _corrected(grads, state, t, beta1, gamma)
    for i, (p, g, c) in enumerate(zip(params, grads, corrected, strict=True)):
        if p.ndim < 2:
            direction = _adam_step(state, i, g, t, beta1, beta2, eps)
        else:
            state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * c
            direction = np.sign(state["m"][i])
        p[...] = p - lr * (direction + weight_decay * p)


def _adam_step(state, i, g, t, beta1, beta2, eps):
    m = state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
    v = state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * g**2
    return m / (1.0 - beta1**t) / (np.sqrt(v / (1.0 - beta2**t)) + eps)


def aida(params, grads, state, t, *, lr, beta1, beta2, xi, eps, weight_decay):
    """Aida of Zhang, Niwa and Kleijn (2022), with two projections and coupled decay."""
    if t == 1:
        _zeros(state, params, "m", "s")
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        g = grad + weight_decay * p
        m = state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        g_now, m_now = g, m
        for _ in range(2):
            product = np.sum(g_now * m_now)
            g_length, m_length = np.sum(g_now**2) + xi, np.sum(m_now**2) + xi
            g_now, m_now = product / g_length * g_now, product / m_length * m_now
        s = beta2 * state["s"][i] + (1.0 - beta2) * (m_now - g_now) ** 2 + eps
        state["s"][i] = s
        divisor = (np.sqrt(s) + eps) / np.sqrt(1.0 - beta2**t)
        p[...] = p - lr / (1.0 - beta1**t) * m / divisor


def _corrected(grads, state, t, beta1, gamma):
    """Gradients with MARS's correction, clipped to a norm of 1."""
    last = state["g"] if t > 1 else grads
    state["g"] = [g.copy() for g in grads]
    corrected = [
        g + gamma * beta1 / (1.0 - beta1) * (g - before)
        for g, before in zip(grads, last, strict=True)
    ]
    return [c / max(1.0, np.sqrt(np.sum(c**2))) for c in corrected]


def _zeros(state, params, *names):
    for name in names:
        state[name] = [np.zeros(p.shape) for p in params]


def _rms(x):
    return np.sqrt(np.sum(x**2) / max(x.size, 1))
