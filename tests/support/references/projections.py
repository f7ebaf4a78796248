"""Adam in singular directions, matrix by matrix; tensors of more axes are stacks of matrices."""

import numpy as np


def conda(
    params, grads, state, t, update_proj_gap=2000, *, lr, beta1, beta2, eps, weight_decay, scale
):
    """The algorithm of Wang et al. (2025); SVD of the momentum, of which the long side is below."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
        state["u"] = {}
    rate = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        m, v = state["m"][k], state["v"][k]
        m += (1 - beta1) * (g - m)
        if p.ndim < 2:
            v += (1 - beta2) * (g * g - v)
            p[...] = (p - rate * m / (np.sqrt(v) + eps)) * (1 - lr * weight_decay)
            continue
        for place in np.ndindex(p.shape[:-2]):
            w, own_g, own_m, own_v = (_lying(a[place]) for a in (p, g, m, v))
            if (t - 1) % update_proj_gap == 0:
                state["u"][k, place] = np.linalg.svd(own_m, full_matrices=False)[0]
            u = state["u"][k, place]
            own_v += (1 - beta2) * ((u.T @ own_g) ** 2 - own_v)
            w -= rate * scale * u @ (u.T @ own_m / (np.sqrt(own_v) + eps))
            w *= 1 - lr * weight_decay


def _lying(a):
    """A view with more columns than rows."""
    return a.T if a.shape[0] >= a.shape[1] else a


def galore_adamw(
    params,
    grads,
    state,
    t,
    rank=128,
    update_proj_gap=200,
    *,
    lr,
    beta1,
    beta2,
    eps,
    weight_decay,
    scale,
):
    """Algorithm 2 of Zhao et al. (2024), with decoupled decay after the step."""
    rate = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    for key, w, g in _pieces(params, grads):
        own = state.setdefault(key, {"m": 0.0, "v": 0.0})
        r = g
        if w.ndim > 1:
            r = _main(own, g, rank, (t - 1) % update_proj_gap == 0).T @ g
        u = _adam(own, r, beta1, beta2, eps)
        w -= rate * (scale * own["p"] @ u if w.ndim > 1 else u)
        w *= 1 - lr * weight_decay


def _pieces(params, grads):
    """Vectors, and matrices as they lie, in the arrays that they are from."""
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        if p.ndim < 2:
            yield k, p, g
            continue
        for place in np.ndindex(p.shape[:-2]):
            if p[place].size:
                yield (k, place), _lying(p[place]), _lying(g[place])


def _main(own, g, rank, is_due):
    """The leading left singular vectors, of this update or of an earlier one.

    Their signs are arbitrary; they point as those before them.
    """
    if is_due:
        found = np.linalg.svd(g, full_matrices=False)[0][:, :rank]
        for k, column in enumerate(found.T):
            if "p" in own and column @ own["p"][:, k] < 0:
                column *= -1
        own["p"] = found
    return own["p"]


def _adam(own, r, beta1, beta2, eps):
    own["m"] = beta1 * own["m"] + (1 - beta1) * r
    own["v"] = beta2 * own["v"] + (1 - beta2) * r * r
    return own["m"] / (np.sqrt(own["v"]) + eps)


def fira(
    params,
    grads,
    state,
    t,
    rank=128,
    update_proj_gap=200,
    *,
    lr,
    beta1,
    beta2,
    eps,
    weight_decay,
    scale,
):
    """Algorithm 1 of Chen et al. (2024), with what the authors' code takes from the gradient."""
    rate = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    for key, w, g in _pieces(params, grads):
        own = state.setdefault(key, {"m": 0.0, "v": 0.0})
        if w.ndim < 2:
            step = _adam(own, g, beta1, beta2, eps)
        else:
            basis = _main(own, g, rank, (t - 1) % update_proj_gap == 0)
            r = basis.T @ g
            u = _adam(own, r, beta1, beta2, eps)
            outside = g - scale * basis @ r
            for column, before, after in zip(outside.T, r.T, u.T, strict=True):
                column *= np.linalg.norm(after) / (np.linalg.norm(before) + 1e-8)
            length = np.linalg.norm(outside)
            allowed = 1.01 * (own["length"] + 1e-8) if t > 1 else np.inf
            if length > allowed:
                outside *= allowed / length
            own["length"] = min(length, allowed)
            step = scale * basis @ u + outside
        w -= rate * step
        w *= 1 - lr * weight_decay
