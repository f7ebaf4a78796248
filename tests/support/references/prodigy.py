"""Prodigy, as optax has it and as its authors have it, over the model as one long vector."""

import numpy as np


def prodigy(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, d0, d_coef):
    """Algorithm 4 of Mishchenko and Defazio (2023), bias-corrected, with the new d beside eps."""
    correction = np.sqrt(1.0 - beta2**t) / (1.0 - beta1**t)
    x, d = _flat(params), state.get("d", d0)
    rate = d * lr * correction
    estimate = _estimate(x, _flat(grads), state, t, rate, beta1, beta2, d0, d_coef)
    state["d"] = max(d, estimate)
    _step(params, x, state, rate, eps, weight_decay)


def prodigy_official(
    params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, d0, d_coef, growth_rate
):
    """The same without bias correction, and with a limit to the growth of d."""
    x, d = _flat(params), state.get("d", d0)
    rate = d * lr
    estimate = _estimate(x, _flat(grads), state, t, rate, beta1, beta2, d0, d_coef)
    if d == d0:
        d = max(d, estimate)
    state["largest"] = max(state.get("largest", d0), estimate)
    state["d"] = min(state["largest"], d * growth_rate)
    _step(params, x, state, rate, eps, weight_decay)


def _estimate(x, g, state, t, rate, beta1, beta2, d0, d_coef):
    """Move the means; what the distance to the solution is at least."""
    if t == 1:
        state.update({n: np.zeros(x.size) for n in "msv"}, d=d0, inner=0.0, start=x)
    d, keep = state["d"], np.sqrt(beta2)
    state["inner"] = keep * state["inner"] + d / d0 * rate * (g @ (state["start"] - x))
    state["s"] = keep * state["s"] + d / d0 * rate * g
    state["m"] = beta1 * state["m"] + (1.0 - beta1) * d * g
    state["v"] = beta2 * state["v"] + (1.0 - beta2) * d * d * g * g
    return d_coef * state["inner"] / np.abs(state["s"]).sum()


def _step(params, x, state, rate, eps, weight_decay):
    adapted = state["m"] / (np.sqrt(state["v"]) + state["d"] * eps)
    moved = x - rate * adapted - rate * weight_decay * x
    ends = np.cumsum([p.size for p in params])[:-1]
    for p, piece in zip(params, np.split(moved, ends), strict=True):
        p[...] = piece.reshape(p.shape)


def _flat(arrays):
    return np.concatenate([np.ravel(a) for a in arrays])
