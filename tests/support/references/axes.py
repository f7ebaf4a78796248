"""Rules with values for each row or axis: SM3, Adam-mini, SGDP, AdamP, Nero, TAM, RACS, Ranger."""

import numpy as np


def sm3(params, grads, state, t, *, lr, momentum, eps):
    """SM3-II of Anil et al. (2019), where a cover is all indices of one axis."""
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        if t == 1:
            state["m", i] = np.zeros(p.shape)
            state["v", i] = np.zeros(p.shape) if p.ndim < 2 else [np.zeros(n) for n in p.shape]
        if p.ndim < 2:
            nu = state["v", i] = state["v", i] + g * g
        else:
            bounds = [np.expand_dims(v, _others(p, k)) for k, v in enumerate(state["v", i])]
            least = bounds[0]
            for bound in bounds[1:]:
                least = np.minimum(least, bound)
            nu = least + g * g
            state["v", i] = [nu.max(axis=_others(p, k), initial=0.0) for k in range(p.ndim)]
        u = np.where(nu > 0, g / np.sqrt(nu + eps), 0.0)
        m = state["m", i] = momentum * state["m", i] + (1.0 - momentum) * u
        p[...] = p - lr * m


def adam_mini(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 1 of Zhang et al. (2024), with a block for each index of the first axis."""
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        if not p.size:
            continue
        m = state["m", i] = beta1 * state.get(("m", i), 0.0) + (1.0 - beta1) * g
        squares = np.mean(g * g, axis=_inner(p) or None, keepdims=True)
        v = state["v", i] = beta2 * state.get(("v", i), 0.0) + (1.0 - beta2) * squares
        divisor = np.sqrt(v / (1.0 - beta2**t)) + eps
        p[...] = p * (1.0 - lr * weight_decay) - lr * m / (1.0 - beta1**t) / divisor


def sgdp(params, grads, state, t, *, lr, momentum, dampening, weight_decay, eps, delta, wd_ratio):
    """Algorithm 2 of Heo et al. (2021), with timm's dampening and decay."""
    del t
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        b = state["b", i] = momentum * state.get(("b", i), 0.0) + (1.0 - dampening) * g
        u, ratio = _projected(p, g, b, delta, wd_ratio, eps)
        p[...] = p * (1.0 - lr * weight_decay * ratio / (1.0 - momentum)) - lr * u


def adamp(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, delta, wd_ratio):
    """Algorithm 3 of Heo et al. (2021)."""
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        m = state["m", i] = beta1 * state.get(("m", i), 0.0) + (1.0 - beta1) * g
        v = state["v", i] = beta2 * state.get(("v", i), 0.0) + (1.0 - beta2) * g * g
        u = m / (np.sqrt(v / (1.0 - beta2**t)) + eps)
        u, ratio = _projected(p, g, u, delta, wd_ratio, eps)
        p[...] = p * (1.0 - lr * weight_decay * ratio) - lr / (1.0 - beta1**t) * u


def nero(params, grads, state, t, *, lr, beta, eps):
    """Algorithm 1 of Liu et al. (2021), with the constraints."""
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        if not p.size:
            continue
        constrained = p.ndim > 1
        if t == 1:
            if constrained:
                _constrain(p, eps)
            state["scale", i] = np.mean(_neuron_norm(p)) or 0.01
        v = state["v", i] = beta * state.get(("v", i), 0.0) + (1.0 - beta) * _neuron_norm(g) ** 2
        p[...] = p - lr * state["scale", i] * g / (np.sqrt(v / (1.0 - beta**t)) + eps)
        if constrained:
            _constrain(p, eps)


def tam(params, grads, state, t, *, lr, momentum, decay_rate, eps, weight_decay):
    """Algorithm 1 of Malviya et al. (2024), elementwise as in pytorch_optimizer."""
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        b = g.copy() if t == 1 else state["b", i]
        state["s", i] = decay_rate * state.get(("s", i), 0.0) + (1.0 - decay_rate) * (
            _unit(b) * _unit(g)
        )
        b = state["b", i] = momentum * b + ((1.0 + state["s", i]) / 2.0 + eps) * g
        p[...] = p * (1.0 - lr * weight_decay) - lr * b


def adatam(params, grads, state, t, *, lr, beta1, beta2, decay_rate, eps, weight_decay):
    """Algorithm 2 of Malviya et al. (2024), elementwise and uncorrected as in the library."""
    del t
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        m = state.get(("m", i), np.zeros(p.shape))
        state["s", i] = decay_rate * state.get(("s", i), 0.0) + (1.0 - decay_rate) * (
            _unit(m) * _unit(g)
        )
        m = state["m", i] = beta1 * m + ((1.0 + state["s", i]) / 2.0 + eps) * g
        v = state["v", i] = beta2 * state.get(("v", i), 0.0) + (1.0 - beta2) * g * g
        p[...] = p * (1.0 - lr * weight_decay) - lr * m / (np.sqrt(v) + eps)


def racs(params, grads, state, t, *, lr, beta, alpha, gamma, eps, weight_decay):
    """Algorithm 1 of Gong et al. (2025) with running means, as in pytorch_optimizer."""
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        if not p.size:
            continue
        g = grad.reshape(len(grad), -1) if grad.ndim > 1 else grad.reshape(-1, 1)
        s = beta * state.get(("s", i), 0.0) + (1.0 - beta) * np.mean(g * g, axis=1)
        q = beta * state.get(("q", i), 1.0) + (1.0 - beta) * np.mean(g * g, axis=0)
        state["s", i], state["q", i] = s, q
        u = g / np.sqrt(np.outer(s + eps, q + eps))
        length = np.sqrt(np.sum(u * u))
        growth = length / (state.get(("theta", i), 0.0) + eps)
        c = 1.0 if t == 1 else gamma / max(growth, gamma)
        state["theta", i] = c * length
        p[...] = p * (1.0 - lr * weight_decay) - lr * alpha * c * u.reshape(p.shape)


def ranger(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay, alpha):
    """Ranger of Wright (2019): every 6th step is one of the slow weights."""
    rho_inf = 2.0 / (1.0 - beta2) - 1.0
    rho = rho_inf - 2.0 * t * beta2**t / (1.0 - beta2**t)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        if t == 1:
            state["slow", i] = p.copy()
        if p.ndim > 1 and p.size:
            g = g - np.mean(g, axis=_inner(p), keepdims=True)
        m = state["m", i] = beta1 * state.get(("m", i), 0.0) + (1.0 - beta1) * g
        v = state["v", i] = beta2 * state.get(("v", i), 0.0) + (1.0 - beta2) * g * g
        step = m / (1.0 - beta1**t)
        if rho >= 5.0:
            r = (rho - 4.0) * (rho - 2.0) * rho_inf / ((rho_inf - 4.0) * (rho_inf - 2.0) * rho)
            step = step * np.sqrt(r * (1.0 - beta2**t)) / (np.sqrt(v) + eps)
        p[...] = p * (1.0 - lr * weight_decay) - lr * step
        if t % 6 == 0:
            state["slow", i] = state["slow", i] + alpha * (p - state["slow", i])
            p[...] = state["slow", i]


def _inner(x):
    return tuple(range(1, x.ndim))


def _others(x, axis):
    return tuple(k for k in range(x.ndim) if k != axis)


def _norm(x, axis):
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=True))


def _unit(x):
    return x / np.maximum(_norm(x, 0 if x.ndim else None), 1e-12)


def _neuron_norm(x):
    return _norm(x, _inner(x)) if x.ndim > 1 else np.abs(x)


def _constrain(p, eps):
    p -= np.mean(p, axis=_inner(p), keepdims=True)
    p /= _norm(p, _inner(p)) + eps


def _projected(p, g, u, delta, wd_ratio, eps):
    """The step without its part along p, where g has next to none; the share of the decay."""
    if p.ndim < 2 or not p.size:
        return u, 1.0
    for axes in (_inner(p), tuple(range(p.ndim))):
        lengths = np.maximum(_norm(g, axes), eps) * np.maximum(_norm(p, axes), eps)
        cosine = np.abs(np.sum(g * p, axis=axes, keepdims=True)) / lengths
        count = np.prod([p.shape[axis] for axis in axes])
        if cosine.max() < delta / np.sqrt(count):
            direction = p / (_norm(p, axes) + eps)
            return u - direction * np.sum(direction * u, axis=axes, keepdims=True), wd_ratio
    return u, 1.0
