"""Dion of Ahn et al. (2025), algorithm 1; tensors of more than two axes are stacks of matrices."""

import numpy as np

from support.references.noisy_sgd import _normal


def dion(params, grads, state, t, *, lr, mu, weight_decay, eps):
    """The start of Q is that of the package's generator, of the first update and seed 0."""
    if t == 1:
        state["momentum"] = [np.zeros(p.shape) for p in params]
        state["basis"] = []
        for k, p in enumerate(params):
            *outer, n = *p.shape[:-2], p.shape[-1]
            own = (*outer, n, max(min(p.shape[-2:]), 1))
            drawn = _normal(int(np.prod(own)), stream=1, seed=0, step=1, tensor=k)
            state["basis"].append(drawn.reshape(own))
    for p, g, momentum, basis in zip(params, grads, state["momentum"], state["basis"], strict=True):
        for place in np.ndindex(p.shape[:-2]):
            _of_matrix(p[place], g[place], momentum[place], basis[place], lr, mu, weight_decay, eps)


def _of_matrix(x, g, momentum, basis, lr, mu, weight_decay, eps):
    """One update in place."""
    rows, cols = x.shape
    if not x.size:
        return
    momentum += g
    p, _ = np.linalg.qr(momentum @ basis)
    r = momentum.T @ p
    momentum -= (1 - mu) * p @ r.T
    basis[...] = r / (np.linalg.norm(r, axis=0) + eps)
    x *= 1 - lr * weight_decay
    x -= lr * np.sqrt(rows / cols) * p @ basis.T
