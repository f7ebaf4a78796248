"""Later relatives of Muon, matrix by matrix; tensors of more axes are stacks of matrices."""

import numpy as np

from support.references.muon import _orthogonal


def _matrices(*arrays):
    """Each matrix of stacks, with what several arrays hold for it."""
    for place in np.ndindex(arrays[0].shape[:-2]):
        yield tuple(array[place] for array in arrays)


def _zeros(state, params, **shapes):
    """Make states: "full", or the axis that has one element."""
    for name, axis in shapes.items():
        state[name] = [np.zeros(p.shape if axis == "full" else _kept(p, axis)) for p in params]


def _kept(p, axis):
    shape = list(p.shape)
    for k in np.atleast_1d(axis):
        shape[k] = 1
    return tuple(shape)


def _length(a, axis=None):
    return np.sqrt(np.sum(a * a, axis=axis, keepdims=axis is not None))


def _tall(w):
    """The root of rows over columns, at least 1."""
    return np.sqrt(max(1, w.shape[0] / max(w.shape[1], 1)))


def _polar(a):
    """Twelve iterations that leave 1 alone."""
    return _orthogonal(a, 1e-7, steps=12, coefficients=(2, -1.5, 0.5))


def normuon(
    params,
    grads,
    state,
    t,
    nesterov=False,
    adjust_lr_fn="match_rms_adamw",
    *,
    lr,
    momentum,
    beta2,
    weight_decay,
    eps,
):
    """Algorithm 1 of Li et al. (2025), or with other options their code."""
    if t == 1:
        _zeros(state, params, m="full", v=-1)
    for arrays in zip(params, grads, state["m"], state["v"], strict=True):
        for w, g, m, v in _matrices(*arrays):
            m += (1 - momentum) * (g - m)
            o = _orthogonal(g + momentum * (m - g) if nesterov else m, 1e-7)
            wanted = 0.2 * np.sqrt(w.size)
            if adjust_lr_fn == "original":
                wanted = _tall(w) * _length(o)
            v += (1 - beta2) * ((o * o).sum(axis=1, keepdims=True) / max(w.shape[1], 1) - v)
            o = o / (np.sqrt(v) + eps)
            w[...] = (1 - lr * weight_decay) * w - lr * wanted / (_length(o) + eps) * o


def muon_squared(params, grads, state, t, *, lr, momentum, beta2, weight_decay, eps):
    """Muon² of Liu et al. (2026), with Nesterov momentum."""
    if t == 1:
        _zeros(state, params, m="full", v="full")
    for arrays in zip(params, grads, state["m"], state["v"], strict=True):
        for w, g, m, v in _matrices(*arrays):
            m += (1 - momentum) * (g - m)
            v += (1 - beta2) * (g * g - v)
            ahead = g + momentum * (m - g)
            w *= 1 - lr * weight_decay
            w -= lr * _tall(w) * _orthogonal(ahead / (np.sqrt(v) + eps), 1e-7)


def namo(params, grads, state, t, *, lr, momentum, beta2, weight_decay, eps):
    """Algorithm 1 of Zhang et al. (2026), with Nesterov momentum and their scale 0.2."""
    if t == 1:
        _zeros(state, params, m="full", v=(-2, -1))
    for arrays in zip(params, grads, state["m"], state["v"], strict=True):
        for w, g, m, v in _matrices(*arrays):
            m += (1 - momentum) * (g - m)
            v += (1 - beta2) * (_length(g) ** 2 - v)
            ahead = g + momentum * (m - g)
            ratio = _length(ahead) / (np.sqrt(v[0, 0]) + eps)
            ratio *= np.sqrt(1 - beta2**t) / (1 - momentum**t)
            step = 0.2 * np.sqrt(max(w.shape)) * _orthogonal(ahead, 1e-7)
            w[...] = w - lr * ratio * (step + weight_decay * w)


def polargrad(params, grads, state, t, *, lr, momentum, weight_decay):
    """PolarSGDM of Lau et al. (2025), momentum first."""
    if t == 1:
        _zeros(state, params, m="full")
    for arrays in zip(params, grads, state["m"], strict=True):
        for w, g, m in _matrices(*arrays):
            m += (1 - momentum) * (g - m)
            u = _polar(m)
            w[...] = (1 - lr * weight_decay) * w - lr * np.sum(u * m) * u


def rmnp(params, grads, state, t, *, lr, momentum, weight_decay, eps):
    """The algorithm of Deng et al. (2026)."""
    if t == 1:
        _zeros(state, params, m="full")
    for arrays in zip(params, grads, state["m"], strict=True):
        for w, g, m in _matrices(*arrays):
            m[...] = momentum * m + g
            u = g + momentum * m
            for row, step in zip(w, u, strict=True):
                row *= 1 - lr * weight_decay
                row -= lr * _tall(w) * step / max(_length(step), eps)
