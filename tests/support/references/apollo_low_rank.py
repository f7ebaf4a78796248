"""APOLLO and APOLLO-Mini of Zhu et al. (2025); tensors of more axes are stacks of matrices."""

import numpy as np

from support.references.noisy_sgd import _normal


def apollo_low_rank(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, scale):
    """One factor for each channel, of a projection of rank 256."""
    own = {"beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
    _apollo(params, grads, state, t, 256, by_channel=True, lr=lr, scale=scale, **own)


def apollo_mini(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, scale):
    """One factor for each matrix, of a projection of rank 1."""
    own = {"beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
    _apollo(params, grads, state, t, 1, by_channel=False, lr=lr, scale=scale, **own)


def _start(p, k, rank):
    """The states of a tensor; seed 0, and the first of its draws in the first update."""
    if p.ndim < 2:
        return {"m": np.zeros(p.shape), "v": np.zeros(p.shape)}
    *outer, rows, cols = p.shape
    side, from_right = (cols, True) if rows >= cols else (rows, False)
    count = int(np.prod(outer)) * side * rank
    drawn = _normal(count, stream=1, seed=0, step=1, tensor=k) / rank**0.5
    shape = (*outer, side, rank) if from_right else (*outer, rank, side)
    low = (*outer, rows, rank) if from_right else (*outer, rank, cols)
    zeros = {"m": np.zeros(low), "v": np.zeros(low), "before": np.zeros(tuple(outer))}
    return {**zeros, "projection": drawn.reshape(shape), "from_right": from_right}


def _apollo(
    params, grads, state, t, rank, *, by_channel, lr, beta1, beta2, eps, weight_decay, scale
):
    """The projection lasts for 200 updates, which is more than the tests make."""
    if t == 1:
        state["own"] = [_start(p, k, rank) for k, p in enumerate(params)]
    for p, g, own in zip(params, grads, state["own"], strict=True):
        is_matrix = p.ndim > 1
        r = g
        if is_matrix:
            r = g @ own["projection"] if own["from_right"] else own["projection"] @ g
        own["m"] += (1 - beta1) * (r - own["m"])
        own["v"] += (1 - beta2) * (r**2 - own["v"])
        u = own["m"] / (np.sqrt(own["v"]) + eps)
        if is_matrix:
            axes = (-2, -1) if not by_channel else (-1,) if own["from_right"] else (-2,)
            u = g * _length(u, axes) / (_length(r, axes) + 1e-8)
            length = _length(u, (-2, -1))[..., 0, 0]
            growth = length / (own["before"] + 1e-8)
            limiter = np.ones_like(growth) if t == 1 else np.maximum(growth, 1.01) / 1.01
            own["before"] = length / limiter
            u = u / limiter[..., None, None] * np.sqrt(scale)
        rate = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
        p[...] = (p - rate * u) * (1 - lr * weight_decay)


def _length(a, axes):
    return np.sqrt(np.sum(a * a, axis=axes, keepdims=True))
