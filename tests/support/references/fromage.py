"""Fromage with a least norm."""

import numpy as np


def fromage(params, grads, state, t, *, lr, min_norm):
    """Algorithm 1 of Bernstein et al. (2020), norms no smaller than `min_norm`."""
    del state, t
    for p, g in zip(params, grads, strict=True):
        p_norm = max(np.sqrt(np.sum(p * p)), min_norm)
        g_norm = max(np.sqrt(np.sum(g * g)), min_norm)
        ratio = 1.0 if p_norm == 0 or g_norm == 0 else p_norm / g_norm
        p[...] = (p - lr * ratio * g) / np.sqrt(1.0 + lr * lr)
