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


def muon_plus(params, grads, state, t, *, lr, momentum, weight_decay, eps):
    """Muon+ of Zhang et al. (2026): columns, then rows."""
    if t == 1:
        _zeros(state, params, m="full")
    for arrays in zip(params, grads, state["m"], strict=True):
        for w, g, m in _matrices(*arrays):
            m[...] = momentum * m + g
            o = _orthogonal(g + momentum * m, 1e-7)
            o = o / np.sqrt(_length(o, 0) ** 2 + eps)
            o = o / np.sqrt(_length(o, 1) ** 2 + eps)
            scale = np.sqrt(w.shape[0] / max(w.shape[1], 1))
            w[...] = (1 - lr * weight_decay) * w - lr * scale * o


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


def mano(params, grads, state, t, *, lr, momentum, weight_decay, eps):
    """Algorithm 1 of Gu and Xie (2026), which counts updates from 0: columns come first."""
    if t == 1:
        _zeros(state, params, m="full")
    for arrays in zip(params, grads, state["m"], strict=True):
        for w, g, m in _matrices(*arrays):
            m[...] = momentum * m + g
            lines, along = (w, m) if t % 2 == 0 else (w.T, m.T)  # views: rows, or columns
            for line, push in zip(lines, along, strict=True):
                unit = line / max(_length(line), eps)
                tangent = push - (push @ unit) * unit
                tangent = tangent / max(_length(tangent), eps)
                line -= lr * (0.2 * np.sqrt(line.size) * tangent + weight_decay * line)


def aurora(params, grads, state, t, *, lr, momentum, weight_decay, beta, eps):
    """The authors' release of Dewulf et al. (2026): two passes, and none for square matrices."""
    if t == 1:
        _zeros(state, params, m="full")
    for arrays in zip(params, grads, state["m"], strict=True):
        for w, g, m in _matrices(*arrays):
            m += (1 - momentum) * (g - m)
            ahead = g + momentum * (m - g)
            if w.shape[0] == w.shape[1]:
                step = _polar(ahead)
            elif w.shape[0] > w.shape[1]:
                step = _level(ahead, beta, eps)
            else:
                step = _level(ahead.T, beta, eps).T
            w[...] = (1 - lr * weight_decay) * w - lr * _tall(w) * step


def _level(tall, beta, eps):
    """A nearly orthogonal matrix with rows nearly alike."""
    first = tall / np.maximum(_length(tall, 1), eps)
    squares = np.maximum(np.sum(_polar(first) ** 2, axis=1, keepdims=True), eps**2)
    return _polar((tall.shape[1] / tall.shape[0] / squares) ** beta * first)


def muown(
    params, grads, state, t, *, lr, momentum, beta1, beta2, weight_decay, eps
):  # fmt: skip
    """Algorithm 1 of Lion et al. (2026); the direction itself is kept, not its length alone."""
    if t == 1:
        _zeros(state, params, m="full", a=-1, b=-1)
        state["gamma"] = [np.maximum(_length(p, -1), 1e-12) for p in params]
        state["w"] = [p.copy() for p in params]
        state["size"] = [gamma.copy() for gamma in state["gamma"]]
    names = ("m", "a", "b", "gamma", "w", "size")
    for arrays in zip(params, grads, *(state[name] for name in names), strict=True):
        for p, g, m, a, b, gamma, w, size in _matrices(*arrays):
            unit = w / size
            for_length = np.sum(g * unit, axis=1, keepdims=True)
            for_direction = (g - for_length * unit) * gamma / size
            m[...] = momentum * m + for_direction
            push = _orthogonal(for_direction + momentum * m, 1e-7)
            w -= lr * 0.2 * np.sqrt(max(w.shape)) * push
            size[...] = np.maximum(_length(w, 1), 1e-12)
            a += (1 - beta1) * (for_length - a)
            b += (1 - beta2) * (for_length**2 - b)
            gamma -= lr * (a / (1 - beta1**t)) / (np.sqrt(b / (1 - beta2**t)) + eps)
            gamma *= 1 - lr * weight_decay
            p[...] = gamma * w / size
