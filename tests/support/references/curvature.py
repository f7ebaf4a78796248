"""Sophia, Apollo, Amos, KATE and Gravity."""

import numpy as np


def sophia(
    params,
    grads,
    state,
    t,
    *,
    lr,
    beta1,
    beta2,
    gamma,
    clip_threshold,
    eps,
    weight_decay,
    hessian_diag,
):
    """Sophia of Liu et al. (2024) as optax has it: the step uses the curvature known before."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["h"] = [np.zeros(p.shape) for p in params]
    for i, (p, g, estimate) in enumerate(zip(params, grads, hessian_diag, strict=True)):
        m = state["m"][i] = beta1 * state["m"][i] + (1.0 - beta1) * g
        u = m / (1.0 - beta1**t) / np.maximum(gamma * state["h"][i], eps)
        u = np.clip(u, -clip_threshold, clip_threshold)
        if t % 10 == 1:
            state["h"][i] = beta2 * state["h"][i] + (1.0 - beta2) * estimate
        p[...] = p - lr * (u + weight_decay * p)


def apollo(params, grads, state, t, *, lr, beta, eps, rebound, weight_decay):
    """Algorithm 1 of Ma (2020), the epsilon divided by the bound as in pytorch_optimizer."""
    if t == 1:
        for name in ("m", "B", "d"):
            state[name] = [np.zeros(p.shape) for p in params]
    alpha = (1.0 - beta) / (1.0 - beta**t)
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        change = grad + weight_decay * p - state["m"][i]
        state["m"][i] = state["m"][i] + alpha * change
        length = np.sum(state["d"][i] ** 4) ** 0.25 + eps / rebound
        d = state["d"][i] / length
        delta = -alpha * np.sum(change / length * d) - np.sum(state["B"][i] * d**2)
        state["B"][i] = state["B"][i] + delta * d**2
        state["d"][i] = state["m"][i] / np.maximum(np.abs(state["B"][i]), rebound)
        p[...] = p - lr * state["d"][i]


def amos(params, grads, state, t, *, lr, beta, scale, eps):
    """Algorithm 1 of Tian and Parikh (2022) with means over all of a tensor, without momentum."""
    if t == 1:
        state["q"] = [0.0 for _ in params]
        state["b"] = [0.0 for _ in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        square, b = np.sum(g**2) / max(g.size, 1), state["b"][i]
        state["q"][i] = beta * state["q"][i] + (1.0 - beta) * square
        r = (1.0 - beta**t) / (state["q"][i] + eps)
        gamma = (1.0 + 0.25 * lr**0.5 * b) ** -0.5 * lr**2 * r * square
        step = 0.5 * gamma * p + lr * scale * r**0.5 * g
        p[...] = p - step / (1.0 + 0.25 * (lr * scale) ** 0.5 * b)
        state["b"][i] = b + gamma * (1.0 + b)


def kate(params, grads, state, t, *, lr, delta, eps, weight_decay):
    """KATE of Choudhury et al. (2024), with decoupled decay."""
    if t == 1:
        state["b"] = [np.zeros(p.shape) for p in params]
        state["m"] = [np.zeros(p.shape) for p in params]
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        p[...] = p * (1.0 - lr * weight_decay)
        b2 = state["b"][i] ** 2 + g**2 + eps
        m2 = state["m"][i] ** 2 + delta * g**2 + g**2 / b2
        state["b"][i], state["m"][i] = np.sqrt(b2), np.sqrt(m2)
        p[...] = p - lr * state["m"][i] * g / b2


def gravity(params, grads, state, t, *, lr, alpha, beta):
    """Gravity of Bahrami and Pourmohammadi Zadeh (2021), for a start at rest (alpha of 0)."""
    if t == 1:
        assert alpha == 0
        state["V"] = [np.zeros(p.shape) for p in params]
    share = (beta * t + 1.0) / (t + 2.0)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        largest = np.max(np.abs(g), initial=0.0)
        zeta = g / (1.0 + (g * largest) ** 2)
        state["V"][i] = share * state["V"][i] + (1.0 - share) * zeta
        p[...] = p - lr * state["V"][i]
