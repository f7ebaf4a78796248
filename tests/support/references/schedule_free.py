"""Schedule-free SGD, AdamW and RAdam, by their three sequences: y (the parameter), z and x."""

import numpy as np


def schedule_free_sgd(
    params, grads, state, t, *, lr, beta, weight_decay, warmup_steps, r, weight_lr_power
):
    """Equations 3 to 5 of Defazio et al. (2024), with the weights of the authors' code."""
    rate = _warm(lr, warmup_steps, t)
    directions = [g + weight_decay * p for p, g in zip(params, grads, strict=True)]
    _move(params, directions, state, t, rate, beta, r, weight_lr_power)


def schedule_free_adamw(
    params,
    grads,
    state,
    t,
    *,
    lr,
    beta1,
    beta2,
    eps,
    weight_decay,
    warmup_steps,
    r,
    weight_lr_power,
):
    """Algorithm 1 of Defazio et al. (2024), but that the root mean square is bias-corrected."""
    rate = _warm(lr, warmup_steps, t)
    adapted = _divided(grads, state, t, beta2, eps)
    directions = [u + weight_decay * p for p, u in zip(params, adapted, strict=True)]
    _move(params, directions, state, t, rate, beta1, r, weight_lr_power)


def schedule_free_radam(
    params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, r, weight_lr_power
):
    """The same, with the rectified rate of Liu et al. (2020), and no steps before it exists."""
    longest = 2.0 / (1.0 - beta2) - 1.0
    length = longest - 2.0 * t * beta2**t / (1.0 - beta2**t)
    adapted = _divided(grads, state, t, beta2, eps)
    if length > 4:
        above = (length - 4) * (length - 2) * longest
        below = (longest - 4) * (longest - 2) * length
        rate = lr * np.sqrt(above / below)
    else:
        rate, adapted = 0.0, grads
    directions = [u + weight_decay * p for p, u in zip(params, adapted, strict=True)]
    _move(params, directions, state, t, rate, beta1, r, weight_lr_power)


def _warm(lr, warmup_steps, t):
    return lr * t / warmup_steps if t <= warmup_steps else lr


def _divided(grads, state, t, beta2, eps):
    """The gradients over their running root mean square."""
    if t == 1:
        state["v"] = [np.zeros(g.shape) for g in grads]
    result = []
    for i, g in enumerate(grads):
        state["v"][i] = beta2 * state["v"][i] + (1.0 - beta2) * (g * g)
        result.append(g / (np.sqrt(state["v"][i] / (1.0 - beta2**t)) + eps))
    return result


def _move(params, directions, state, t, rate, beta, r, power):
    """A step of z, its share in the average x, and y between the two."""
    if t == 1:
        state["z"] = [p.copy() for p in params]
        state["rates"], state["total"] = [], 0.0
    state["rates"].append(rate)
    weight = float(t) ** r * max(state["rates"]) ** power
    state["total"] += weight
    share = weight / state["total"] if state["total"] > 0 else 0.0
    for i, (y, u) in enumerate(zip(params, directions, strict=True)):
        x = (y - (1.0 - beta) * state["z"][i]) / beta
        state["z"][i] = state["z"][i] - rate * u
        x = (1.0 - share) * x + share * state["z"][i]
        y[...] = beta * x + (1.0 - beta) * state["z"][i]
