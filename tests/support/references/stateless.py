"""Rules for matrices that keep no state: what they do to a gradient, from their papers."""

import numpy as np


def sinkgd(params, grads, state, t, *, lr, weight_decay, eps):
    """Algorithms 3 and 4 of Scetbon et al. (2025), with five iterations."""
    for p, g in zip(params, grads, strict=True):
        rows = g.shape[0] if g.ndim > 1 else 1
        x = g.reshape(rows, -1) if g.size else g.reshape(0, 0)
        for _ in range(5):
            of_rows = np.linalg.norm(x, axis=1, keepdims=True)
            x = x * (np.sqrt(x.shape[1]) / np.maximum(of_rows, eps))
            of_cols = np.linalg.norm(x, axis=0, keepdims=True)
            x = x * (np.sqrt(x.shape[0]) / np.maximum(of_cols, eps))
        p[...] = p - lr * weight_decay * p - lr * x.reshape(p.shape)


def swan(params, grads, state, t, *, lr, weight_decay, eps):
    """SWAN of Ma et al. (2024): GradNorm, ten steps of GradWhitening by Y and Z, the rescaling.

    Vectors are divided by their root mean square.
    """
    for p, g in zip(params, grads, strict=True):
        if g.ndim < 2:
            p[...] = (1.0 - lr * weight_decay) * p
            p[...] = p - lr * g / (np.sqrt(np.sum(g * g) / max(g.size, 1)) + eps)
            continue
        for place in np.ndindex(g.shape[:-2]):
            p[place] = (1.0 - lr * weight_decay) * p[place] - lr * _white(g[place], eps)


def _white(g, eps):
    """A matrix with standard rows, whitened, of the same norm as before."""
    if not g.size:
        return g
    standard = (g - g.mean(1, keepdims=True)) / (g.std(1, keepdims=True) + eps)
    length = np.linalg.norm(standard)
    if length == 0:
        return standard
    x = standard / length
    y, z, one = x @ x.T, np.eye(len(x)), np.eye(len(x))
    for _ in range(10):
        factor = (3 * one - z @ y) / 2
        y, z = y @ factor, factor @ z
    white = z @ x
    return white * (length / np.linalg.norm(white))
