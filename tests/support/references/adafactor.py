"""Adafactor in three conventions, and CAME: second moments of rows and columns."""

import numpy as np


def adafactor(params, grads, state, t, *, lr, beta2_decay, d, weight_decay, eps1, eps2):
    """The algorithm in the documentation of torch.optim.Adafactor; R and C are means here."""
    b = t**beta2_decay
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        alpha = max(eps2, _rms(p)) * min(lr, 1.0 / np.sqrt(t))
        if p.ndim < 2:
            variance = _follow(state, ("v", i), g * g, 1.0 - b)
        else:
            row = _follow(state, ("row", i), np.mean(g * g, axis=-1, keepdims=True), 1.0 - b)
            col = _follow(state, ("col", i), np.mean(g * g, axis=-2, keepdims=True), 1.0 - b)
            variance = row * col / np.maximum(np.mean(row, axis=-2, keepdims=True), eps1)
        u = g / np.sqrt(np.maximum(variance, eps1 * eps1))
        u = u / max(1.0, _rms(u) / d)
        p[...] = p - lr * weight_decay * p - alpha * u


def adafactor_optax(
    params, grads, state, t, *, lr, decay_rate, clipping_threshold, weight_decay, eps
):
    """Algorithm 4 of Shazeer and Stern (2018) with a given rate, and optax's weight decay."""
    kept = 1.0 - t**-decay_rate
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        u = g / np.sqrt(_second_moment(state, i, g * g + eps, kept, 128))
        u = u / max(1.0, _rms(u) / clipping_threshold)
        p[...] = p - lr * max(_rms(p), 1e-3) * u - weight_decay * p


def adafactor_bv(
    params, grads, state, t, *, lr, decay_rate, beta2_cap, momentum, weight_decay, eps
):
    """Section 3.4 of Zhai et al. (2022)."""
    kept = min(beta2_cap, 1.0 - t**-decay_rate)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        u = g / np.sqrt(_second_moment(state, i, g * g + eps, kept, 16))
        m = _follow(state, ("m", i), u, momentum)
        p[...] = p - lr * weight_decay * p - lr * m


def came(
    params, grads, state, t, *, lr, beta1, beta2, beta3, eps1, eps2, clip_threshold, weight_decay
):
    """Algorithm 2 of Luo et al. (2023)."""
    del t
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        if p.ndim < 2:
            u = g / np.sqrt(_follow(state, ("v", i), g * g + eps1, beta2))
        else:
            u = g / np.sqrt(_factored(state, i, g * g + eps1, beta2, -2, -1))
        u = u / max(1.0, _rms(u) / clip_threshold)
        m = step = _follow(state, ("m", i), u, beta1)
        if p.ndim >= 2:
            deviation = (u - m) ** 2 + eps2
            step = m / np.sqrt(_factored(state, ("deviation", i), deviation, beta3, -2, -1))
        p[...] = p - lr * weight_decay * p - lr * step


def _rms(x):
    return np.sqrt(np.sum(x * x) / x.size) if x.size else 0.0


def _second_moment(state, key, squares, kept, least):
    """Factored over the two largest axes if both have that size."""
    if squares.ndim >= 2:
        second, largest = np.argsort(squares.shape, kind="stable")[-2:]
        if squares.shape[second] >= least:
            return _factored(state, key, squares, kept, second, largest)
    return _follow(state, ("v", key), squares, kept)


def _factored(state, key, squares, kept, second, largest):
    row = _follow(state, ("row", key), squares.mean(axis=largest, keepdims=True), kept)
    col = _follow(state, ("col", key), squares.mean(axis=second, keepdims=True), kept)
    return (row / row.mean(axis=second, keepdims=True)) * col


def _follow(state, key, value, kept):
    """The running mean of that key, after one more value."""
    state[key] = kept * state.get(key, np.zeros(value.shape)) + (1.0 - kept) * value
    return state[key]
