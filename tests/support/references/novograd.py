"""NovoGrad, with the gradients adding up in the momentum."""

import numpy as np


def novograd(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 1 of Ginsburg et al. (2019), v starting from the first squared norm."""
    if t == 1:
        state["v"] = [np.sum(g * g) for g in grads]
    else:
        _mean(state, grads, beta2)
    _move(params, grads, state, t, lr, beta1, eps, weight_decay)


def novograd_timm(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """The same, v starting from the first squared norm that is not zero."""
    if t == 1:
        state["v"] = [0.0 for g in grads]
    starting = [v == 0 for v in state["v"]]
    _mean(state, grads, beta2)
    for i, g in enumerate(grads):
        if starting[i]:
            state["v"][i] = np.sum(g * g)
    _move(params, grads, state, t, lr, beta1, eps, weight_decay)


def _mean(state, grads, beta2):
    for i, g in enumerate(grads):
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * np.sum(g * g)


def _move(params, grads, state, t, lr, beta1, eps, weight_decay):
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        direction = g / (np.sqrt(state["v"][i]) + eps) + weight_decay * p
        state["m"][i] = beta1 * state["m"][i] + direction
        p[...] = p - lr * state["m"][i]
