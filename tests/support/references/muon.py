"""Muon and its relatives; tensors of more than two axes are stacks of matrices."""

import numpy as np


def _swap(a):
    return np.swapaxes(a, -1, -2)


def _orthogonal(u, eps, is_added=False, steps=5, coefficients=(3.4445, -4.7750, 2.0315)):
    """Quintic Newton-Schulz iterations, usually five with the coefficients of Jordan."""
    a1, a3, a5 = coefficients
    size = np.sqrt(np.sum(u * u, axis=(-2, -1), keepdims=True))
    x = u / (size + eps if is_added else np.maximum(size, eps))
    is_tall = u.shape[-2] > u.shape[-1]
    x = _swap(x) if is_tall else x
    for _ in range(steps):
        a = x @ _swap(x)
        x = a1 * x + (a3 * a + a5 * a @ a) @ x
    return _swap(x) if is_tall else x


def _zeros(state, params, *names):
    for name in names:
        state[name] = [np.zeros(p.shape) for p in params]


def _adamw(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * (g * g)
    u = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)
    p[...] = p - lr * weight_decay * p - lr * u


def muon(params, grads, state, t, *, lr, momentum, weight_decay, eps):
    """The post of Jordan et al. (2024), with decoupled decay, by `torch.optim`'s conventions."""
    if t == 1:
        _zeros(state, params, "m")
    for p, g, m in zip(params, grads, state["m"], strict=True):
        m[...] = momentum * m + (1 - momentum) * g
        x = _orthogonal((1 - momentum) * g + momentum * m, eps)
        scale = np.sqrt(max(1, p.shape[-2] / max(p.shape[-1], 1)))
        p[...] = p * (1 - lr * weight_decay) - lr * scale * x


def muon_with_adamw(
    params,
    grads,
    state,
    t,
    *,
    lr,
    momentum,
    weight_decay,
    eps,
    adamw_lr,
    beta1,
    beta2,
    adamw_eps,
    adamw_weight_decay,
):
    """Matrices by `muon`, the rest by AdamW."""
    if t == 1:
        _zeros(state, params, "m", "v")
    for p, g, m, v in zip(params, grads, state["m"], state["v"], strict=True):
        if p.ndim == 2:
            own = {"m": [m]}
            hypers = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "eps": eps}
            muon([p], [g], own, max(t, 2), **hypers)
        else:
            _adamw(p, g, m, v, t, adamw_lr, beta1, beta2, adamw_eps, adamw_weight_decay)


def muon_optax(
    params,
    grads,
    state,
    t,
    *,
    lr,
    momentum,
    weight_decay,
    eps,
    beta1,
    beta2,
    adamw_weight_decay,
):
    """The means corrected for their start, and NAdam with constant decay for the rest."""
    if t == 1:
        _zeros(state, params, "m", "v")
    for p, g, m, v in zip(params, grads, state["m"], state["v"], strict=True):
        b = momentum if p.ndim == 2 else beta1
        m[...] = b * m + (1 - b) * g
        u = b * m / (1 - b ** (t + 1)) + (1 - b) * g / (1 - b**t)
        if p.ndim == 2:
            scale = np.sqrt(max(1, p.shape[1] / max(p.shape[0], 1)))
            u = scale * _orthogonal(u, eps, is_added=True)
            p[...] = p - lr * (u + weight_decay * p)
        else:
            v[...] = beta2 * v + (1 - beta2) * (g * g)
            u = u / (np.sqrt(v / (1 - beta2**t)) + eps)
            p[...] = p - lr * (u + adamw_weight_decay * p)


def adamuon(params, grads, state, t, *, lr, momentum, weight_decay, eps, beta1, beta2):
    """Algorithm of Si et al. (2025) as timm has it; AdamW for what has not two axes."""
    if t == 1:
        _zeros(state, params, "m", "v")
    for p, g, m, v in zip(params, grads, state["m"], state["v"], strict=True):
        if p.ndim == 2:
            m[...] = momentum * m + (1 - momentum) * g
            x = _orthogonal(m, eps)
            v[...] = beta2 * v + (1 - beta2) * x * x
            u = x / (np.sqrt(v) + eps)
            u = 0.2 * np.sqrt(p.size) * u / (np.sqrt(np.sum(u * u)) + eps)
            p[...] = p * (1 - lr * weight_decay) - lr * u
        else:
            _adamw(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay)


def scion(params, grads, state, t, *, lr, momentum, weight_decay, scale, eps):
    """Unconstrained Scion of Pethick et al. (2025): spectral norms, and root mean squares."""
    if t == 1:
        _zeros(state, params, "m")
    for p, g, m in zip(params, grads, state["m"], strict=True):
        m[...] = (1 - momentum) * m + momentum * g
        if p.ndim >= 2:
            u = np.sqrt(p.shape[-2] / max(p.shape[-1], 1)) * _orthogonal(m, 1e-7)
        else:
            u = m / (np.sqrt(np.sum(m * m) / max(m.size, 1)) + eps)
        p[...] = p * (1 - lr * weight_decay) - lr * scale * u
