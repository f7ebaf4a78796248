"""D-Adaptation of SGD, AdaGrad, AdamW, Adan and Lion, over the model as one long vector."""

import numpy as np


def dadapt_sgd(params, grads, state, t, *, lr, momentum, weight_decay, d0, growth_rate):
    """SGD of Defazio and Mishchenko (2023), with the averaging of their code as momentum."""
    x, g = _flat(params), _flat(grads)
    if t == 1:
        state.update(d=d0, s=np.zeros(x.size), inner=0.0, start=x, first=np.sqrt(g @ g))
    g = g + weight_decay * x
    rate = state["d"] * lr / state["first"]
    state["inner"] += rate * (g @ state["s"])
    state["s"] = state["s"] + rate * g
    size = np.sqrt(state["s"] @ state["s"])
    _grow(state, 2.0 * state["inner"] / size, growth_rate)
    _write(params, momentum * x + (1.0 - momentum) * (state["start"] - state["s"]))


def dadapt_adagrad(params, grads, state, t, *, lr, momentum, eps, weight_decay, d0, growth_rate):
    """AdaGrad of the same, as dual averaging."""
    x, g = _flat(params), _flat(grads)
    if t == 1:
        state.update(d=d0, s=np.zeros(x.size), squares=np.full(x.size, 1e-6), own=0.0, start=x)
    g = g + weight_decay * x
    rate = state["d"] * lr
    state["squares"] = state["squares"] + g * g
    scale = np.sqrt(state["squares"]) + eps
    state["s"] = state["s"] + rate * g
    state["own"] += rate * rate * np.sum(g * g / scale)
    whole = np.sum(state["s"] ** 2 / scale)
    _grow(state, (whole - state["own"]) / np.abs(state["s"]).sum(), growth_rate)
    _write(params, momentum * x + (1.0 - momentum) * (state["start"] - state["s"] / scale))


def dadapt_adamw(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, d0):
    """Adam of the same, with bias correction, and with decoupled decay."""
    x, g = _flat(params), _flat(grads)
    if t == 1:
        state.update({n: np.zeros(x.size) for n in "msv"}, d=d0, inner=0.0)
    rate = state["d"] * lr * np.sqrt(1.0 - beta2**t) / (1.0 - beta1**t)
    keep = np.sqrt(beta2)
    inner = g @ (state["s"] / (np.sqrt(state["v"]) + eps))
    state["inner"] = keep * state["inner"] + (1.0 - keep) * rate * inner
    state["s"] = keep * state["s"] + (1.0 - keep) * rate * g
    state["m"] = beta1 * state["m"] + (1.0 - beta1) * rate * g
    state["v"] = beta2 * state["v"] + (1.0 - beta2) * g * g
    _grow(state, state["inner"] / ((1.0 - keep) * np.abs(state["s"]).sum()))
    _write(params, x - rate * weight_decay * x - state["m"] / (np.sqrt(state["v"]) + eps))


def dadapt_adan(
    params, grads, state, t, *, lr, beta1, beta2, beta3, eps, weight_decay, d0, growth_rate
):
    """Adan of the authors' code, with proximal decay."""
    x, g = _flat(params), _flat(grads)
    if t == 1:
        state.update({n: np.zeros(x.size) for n in "msuv"}, d=d0, own=0.0, last=g)
    rate = state["d"] * lr
    change = g - state["last"]
    ahead = g + beta2 * change
    state["last"] = g
    state["m"] = beta1 * state["m"] + (1.0 - beta1) * rate * g
    state["u"] = beta2 * state["u"] + (1.0 - beta2) * rate * change
    state["v"] = beta3 * state["v"] + (1.0 - beta3) * ahead * ahead
    state["s"] = beta3 * state["s"] + (1.0 - beta3) * rate * g
    scale = np.sqrt(state["v"]) + eps
    state["own"] = beta3 * state["own"] + (1.0 - beta3) * rate * rate * np.sum(g * g / scale)
    whole = np.sum(state["s"] ** 2 / scale) / (1.0 - beta3)
    _grow(state, (whole - state["own"]) / np.abs(state["s"]).sum(), growth_rate)
    moved = x - (state["m"] + beta2 * state["u"]) / scale
    _write(params, moved / (1.0 + rate * weight_decay))


def dadapt_lion(params, grads, state, t, *, lr, beta1, beta2, weight_decay, d0):
    """Lion of the authors' code."""
    x, g = _flat(params), _flat(grads)
    if t == 1:
        state.update(m=np.zeros(x.size), s=np.zeros(x.size), d=d0, inner=0.0)
    rate = state["d"] * lr
    keep = np.sqrt(beta2)
    u = np.sign(beta1 * state["m"] + (1.0 - beta1) * g)
    state["m"] = beta2 * state["m"] + (1.0 - beta2) * rate * g
    state["inner"] = keep * state["inner"] + (1.0 - keep) * rate * (u @ state["s"])
    state["s"] = keep * state["s"] + (1.0 - keep) * rate * u
    _grow(state, state["inner"] / ((1.0 - keep) * np.abs(state["s"]).sum()))
    _write(params, x - rate * weight_decay * x - rate * u)


def _grow(state, estimate, growth_rate=np.inf):
    state["d"] = max(state["d"], min(estimate, growth_rate * state["d"]))


def _flat(arrays):
    return np.concatenate([np.ravel(a) for a in arrays])


def _write(params, vector):
    """Copy pieces of a long vector into the parameters."""
    ends = np.cumsum([p.size for p in params])[:-1]
    for p, piece in zip(params, np.split(vector, ends), strict=True):
        p[...] = piece.reshape(p.shape)
