"""RMSprop with momentum, centered, and with epsilon inside the root."""

import numpy as np


def rmsprop_momentum(params, grads, state, t, *, lr, alpha, eps, momentum):
    """Momentum on the divided gradients; the learning rate stays outside."""
    if t == 1:
        state["v"] = [np.zeros(p.shape) for p in params]
        state["b"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["v"][i] = alpha * state["v"][i] + (1.0 - alpha) * (g * g)
        state["b"][i] = momentum * state["b"][i] + g / (np.sqrt(state["v"][i]) + eps)
        p[...] = p - lr * state["b"][i]


def rmsprop_centered(params, grads, state, t, *, lr, alpha, eps):
    """Equations 38 to 40 of Graves (2013), epsilon outside the root and no momentum."""
    if t == 1:
        state["v"] = [np.zeros(p.shape) for p in params]
        state["a"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["v"][i] = alpha * state["v"][i] + (1.0 - alpha) * (g * g)
        state["a"][i] = alpha * state["a"][i] + (1.0 - alpha) * g
        variance = np.maximum(state["v"][i] - state["a"][i] ** 2, 0.0)
        p[...] = p - lr * (g / (np.sqrt(variance) + eps))


def rmsprop_optax(params, grads, state, t, *, lr, alpha, eps):
    """The running mean starts at 0, and epsilon is added to it."""
    if t == 1:
        state["v"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["v"][i] = alpha * state["v"][i] + (1.0 - alpha) * (g * g)
        p[...] = p - lr * (g / np.sqrt(state["v"][i] + eps))


def adagrad_optax(params, grads, state, t, *, lr, initial_accumulator, eps):
    """The sums start at `initial_accumulator`, and epsilon is added to them."""
    if t == 1:
        state["s"] = [np.full(p.shape, initial_accumulator) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["s"][i] = state["s"][i] + g * g
        root = np.sqrt(state["s"][i] + eps)
        p[...] = p - lr * np.where(state["s"][i] > 0, g / root, 0.0)
