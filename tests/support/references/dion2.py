"""Dion2 and NorDion2 of Ahn et al. (2025), from their code; more axes are stacks of matrices."""

import math

import numpy as np

POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)


def dion2(params, grads, state, t, fraction=0.25, *, lr, mu, weight_decay, eps):
    """Rows where there are not more of them than columns, else columns."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
    for p, g, m in zip(params, grads, state["m"], strict=True):
        for place in np.ndindex(p.shape[:-2]):
            w, own, push = p[place], m[place], g[place]
            scale = _scale(w)
            if w.shape[0] > w.shape[1]:
                w, own, push = w.T, own.T, push.T  # views
            chosen, u = _orthogonal_rows(own, push, fraction, mu, eps)
            w *= 1 - lr * weight_decay
            for row, step in zip(chosen, u, strict=True):
                w[row] -= lr * scale * step


def nordion2(params, grads, state, t, fraction=0.25, *, lr, mu, beta2, weight_decay, eps):
    """Always rows, with a second moment for each."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape[:-1]) for p in params]
    for p, g, m, v in zip(params, grads, state["m"], state["v"], strict=True):
        for place in np.ndindex(p.shape[:-2]):
            w = p[place]
            chosen, u = _orthogonal_rows(m[place], g[place], fraction, mu, eps)
            own = v[place][chosen]
            own += (1 - beta2) * ((u * u).sum(axis=1) / max(w.shape[1], 1) - own)
            v[place][chosen] = own
            longer = u / (np.sqrt(own)[:, None] + eps)
            longer *= _norm(u) / max(_norm(longer), eps)
            w *= 1 - lr * weight_decay
            w[chosen] -= lr * _scale(w) * longer


def _scale(w):
    """The root of rows over columns."""
    return math.sqrt(w.shape[0] / max(w.shape[1], 1))


def _norm(a):
    return np.sqrt(np.sum(a * a))


def _orthogonal_rows(m, g, fraction, mu, eps):
    """Add the gradient; return the chosen rows, and what they are made into."""
    m += g
    count = min(len(m), max(1, math.ceil(fraction * len(m))))
    sums = [sum(abs(entry) for entry in row) for row in m]
    chosen = sorted(range(len(m)), key=lambda k: -sums[k])[:count]
    x = m[chosen]
    m[chosen] *= mu
    x = x / (1.02 * _norm(x) + eps)
    for a, b, c in POLAR_EXPRESS:
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return chosen, x
