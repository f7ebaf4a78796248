"""Transforms by hand, in float64 NumPy, on lists of arrays.

Before the rule: `f(params, grads, state, t, **hyperparameters)` returns the gradients that the rule
gets, or None where it shall not act. After it: `f(params, new, grads, state, t, **hyperparameters)`
returns the parameters, given those before the update, the rule's and the gradients it got.
"""

import numpy as np


def total_norm(arrays):
    return np.sqrt(sum(np.sum(a * a) for a in arrays))


def rms(a):
    return np.sqrt(np.mean(a * a)) if a.size else np.nan


# Before the rule


def clip_by_value(params, grads, state, t, *, max_value):
    return [np.clip(g, -max_value, max_value) for g in grads]


def clip_by_norm(params, grads, state, t, *, max_norm):
    return [g * (max_norm / max(np.linalg.norm(g.ravel()), max_norm)) for g in grads]


def clip_by_block_rms(params, grads, state, t, *, threshold):
    return [g / max(1.0, rms(g) / threshold) if g.size else g for g in grads]


def clip_by_global_norm(params, grads, state, t, *, max_norm):
    norm = total_norm(grads)
    return [g if norm < max_norm else g / norm * max_norm for g in grads]


def clip_grad_norm(params, grads, state, t, *, max_norm):
    coefficient = min(1.0, max_norm / (total_norm(grads) + 1e-6))
    return [coefficient * g for g in grads]


def units(a):
    """The axes of a unit, for sums that keep them."""
    return {"axis": tuple(range(1, a.ndim)) if a.ndim > 1 else None, "keepdims": True}


def adaptive_clip(params, grads, state, t, *, clip_factor, clip_eps):
    result = []
    for p, g in zip(params, grads, strict=True):
        largest = clip_factor * np.maximum(np.sqrt(np.sum(p * p, **units(p))), clip_eps)
        size = np.sqrt(np.sum(g * g, **units(g)))
        result.append(np.where(size < largest, g, g * (largest / np.maximum(size, 1e-6))))
    return result


def centralize(params, grads, state, t):
    return [g - np.mean(g, **units(g)) if g.ndim > 1 else g for g in grads]


def normalize_by_global_norm(params, grads, state, t, *, norm_scale, norm_eps):
    return [g * norm_scale / (total_norm(grads) + norm_eps) for g in grads]


def add_decayed_weights(params, grads, state, t, *, coupled_decay):
    return [g + coupled_decay * p for p, g in zip(params, grads, strict=True)]


def perturbed(params, grads, state, t, rho, sizes):
    """Move at odd updates, along gradients times `sizes`; return the gradients at even ones."""
    if t % 2 == 0:
        for p, kept in zip(params, state["kept"], strict=True):
            p[...] = kept
        return grads
    state["kept"] = [p.copy() for p in params]
    scaled = [s * g for s, g in zip(sizes, grads, strict=True)]
    norm = total_norm(scaled) + 1e-12
    for p, s, g in zip(params, sizes, scaled, strict=True):
        p[...] = p + rho * s * g / norm
    return None


def sam(params, grads, state, t, *, rho):
    return perturbed(params, grads, state, t, rho, [1.0] * len(params))


def asam(params, grads, state, t, *, rho, eta):
    return perturbed(params, grads, state, t, rho, [np.abs(p) + eta for p in params])


def zero_nans(params, grads, state, t):
    return [np.where(np.isnan(g), 0.0, g) for g in grads]


def grokfast_ema(params, grads, state, t, *, grokfast_alpha, grokfast_lamb):
    if t == 1:
        state["h"] = [g.copy() for g in grads]
    state["h"] = [
        grokfast_alpha * h + (1 - grokfast_alpha) * g
        for h, g in zip(state["h"], grads, strict=True)
    ]
    return [g + grokfast_lamb * h for g, h in zip(grads, state["h"], strict=True)]


def orthograd(params, grads, state, t):
    result = []
    for p, g in zip(params, grads, strict=True):
        o = g - np.sum(p * g) / (np.sum(p * p) + 1e-30) * p
        size, left = np.linalg.norm(g.ravel()), np.linalg.norm(o.ravel())
        result.append(np.zeros(g.shape) if left <= 1e-6 * size else o * (size / (left + 1e-30)))
    return result


def equilibrate_rows(params, grads, state, t):
    result = []
    for g in grads:
        if g.ndim < 2:
            result.append(g)
            continue
        rows = np.sqrt(np.sum(g * g, axis=-1, keepdims=True))
        total = np.sqrt(np.sum(g * g, axis=(-2, -1), keepdims=True))
        result.append(g / rows * total / np.sqrt(g.shape[-2]))
    return result


def accumulate(params, grads, state, t, *, k):
    state["grads"] = [*state.get("grads", []), grads]
    if t % k:
        return None
    sums = [sum(parts) for parts in zip(*state.pop("grads"), strict=True)]
    return [np.asarray(total / k) for total in sums]


def apply_if_finite(params, grads, state, t):
    return grads if all(np.isfinite(g).all() for g in grads) else None


# After the rule


def decoupled_weight_decay(params, new, grads, state, t, *, lr, decoupled_decay):
    return [n - lr * decoupled_decay * p for p, n in zip(params, new, strict=True)]


def fixed_weight_decay(params, new, grads, state, t, *, fixed_decay):
    return [n - fixed_decay * p for p, n in zip(params, new, strict=True)]


def cautious_weight_decay(params, new, grads, state, t, *, lr, cautious_decay):
    return [
        n - lr * cautious_decay * np.where((p - n) * p >= 0, p, 0.0)
        for p, n in zip(params, new, strict=True)
    ]


def trust_ratio(params, new, grads, state, t, *, lr, trust_coefficient, trust_eps):
    result = []
    for p, n in zip(params, new, strict=True):
        u = (p - n) / lr
        p_norm, u_norm = np.linalg.norm(p.ravel()), np.linalg.norm(u.ravel())
        is_zero = p_norm == 0 or u_norm == 0
        # Where nothing can be scaled the rule's own step is made.
        ratio = 1.0 if is_zero else lr * trust_coefficient * p_norm / (u_norm + trust_eps)
        result.append(n if is_zero else p - ratio * u)
    return result


def scale_by_block_rms(params, new, grads, state, t, *, min_scale):
    return [
        p + max(rms(p), min_scale) * (n - p) if p.size else p
        for p, n in zip(params, new, strict=True)
    ]


def cautious(params, new, grads, state, t):
    result = []
    for p, n, g in zip(params, new, grads, strict=True):
        mask = ((p - n) * g > 0).astype(float)
        result.append(p + (n - p) * mask / max(mask.mean(), 1e-3) if p.size else p)
    return result


def ema(params, new, grads, state, t, *, decay):
    averages = state.setdefault("average", params)
    state["average"] = [decay * a + (1 - decay) * n for a, n in zip(averages, new, strict=True)]
    return new


def swa(params, new, grads, state, t, *, swa_start, swa_every):
    if t <= swa_start:
        state["swa_average"], state["count"] = new, 1
    elif (t - swa_start) % swa_every == 0:
        state["count"] += 1
        state["swa_average"] = [
            a + (n - a) / state["count"] for a, n in zip(state["swa_average"], new, strict=True)
        ]
    return new


def lookahead(params, new, grads, state, t, *, sync_period, slow_step):
    slow = state.setdefault("slow", params)
    if t % sync_period:
        return new
    state["slow"] = [s + slow_step * (n - s) for s, n in zip(slow, new, strict=True)]
    return [s.copy() for s in state["slow"]]


def mechanic(
    params, new, grads, state, t, *, mechanic_decay, mechanic_init, mechanic_eps, mechanic_betas
):
    start = state.setdefault("x0", params)
    tuners = state.setdefault("tuners", np.array([[0, 0, 0, mechanic_init]] * mechanic_betas).T)
    m, v, r, s = tuners
    factor = s.sum()
    decay = mechanic_decay * factor * total_norm(grads) / (total_norm(params) + mechanic_eps)
    deltas = [(x - p) / (factor + mechanic_eps) for p, x in zip(params, start, strict=True)]
    h = sum(np.sum((g + decay * p) * d) for p, g, d in zip(params, grads, deltas, strict=True))
    betas = 1 - 0.1 ** np.arange(1, mechanic_betas + 1)
    r = betas * r + np.clip(h, -m, m) * s
    m = np.maximum(betas * m, abs(h) + mechanic_eps)
    v = betas**2 * v + h**2
    s = (mechanic_init / mechanic_betas * m + np.maximum(r, 0)) / (np.sqrt(v) + mechanic_eps)
    state["tuners"] = np.array([m, v, r, s])
    return [
        x - s.sum() * (d - (n - p)) for x, d, n, p in zip(start, deltas, new, params, strict=True)
    ]


def non_negative(params, new, grads, state, t):
    return [np.maximum(n, 0.0) for n in new]


def project_box(params, new, grads, state, t, *, low, high):
    return [np.clip(n, low, high) for n in new]


def project_l2_ball(params, new, grads, state, t, *, radius):
    norm = total_norm(new)
    return [n if norm <= radius else n / norm * radius for n in new]


def project_max_norm(params, new, grads, state, t, *, largest_norm):
    with np.errstate(divide="ignore"):
        return [n * np.minimum(1.0, largest_norm / np.sqrt(np.sum(n * n, **units(n)))) for n in new]


def soft_threshold(params, new, grads, state, t, *, lr, l1):
    return [np.sign(n) * np.maximum(np.abs(n) - lr * l1, 0.0) for n in new]


def hyperball(params, new, grads, state, t, *, lr, hyperball_eps):
    result = []
    for p, n in zip(params, new, strict=True):
        radius, d = np.linalg.norm(p.ravel()), n - p
        q = p + lr * radius * d / max(np.linalg.norm(d.ravel()), hyperball_eps)
        result.append(q * radius / max(np.linalg.norm(q.ravel()), hyperball_eps))
    return result


def qk_clip(params, new, grads, state, t, *, max_logit, qk_tau, qk_alpha):
    result = []
    for n, logits in zip(new, max_logit, strict=True):
        heads = [w * min(1.0, qk_tau / s) ** qk_alpha for w, s in zip(n, logits, strict=True)]
        result.append(np.array(heads).reshape(n.shape))
    return result


def radial_brake(params, new, grads, state, t, *, outward, inward):
    result = []
    for p, n in zip(params, new, strict=True):
        unit = p / max(np.linalg.norm(p.ravel()), 1e-300)
        length = np.vdot(unit, n - p)
        across = n - p - length * unit
        result.append(p + across + (outward if length > 0 else inward) * length * unit)
    return result


def radius_pin(params, new, grads, state, t, *, lr, pinned_decay, pin_eps):
    result = []
    for p, n in zip(params, new, strict=True):
        before = max(np.linalg.norm(p.ravel()), pin_eps)
        wanted = max(before + np.vdot(p, n - p) / before, pin_eps)
        pinned = n * (wanted / max(np.linalg.norm(n.ravel()), pin_eps))
        shrinking = np.sign(n - p) * np.sign(p) < 0
        result.append(np.where(shrinking, (1 - lr * pinned_decay) * pinned, pinned))
    return result


def update_floor(params, new, grads, state, t, *, lr, floor):
    result = []
    for p, n in zip(params, new, strict=True):
        least, length = lr * floor * np.linalg.norm(p.ravel()), np.linalg.norm((n - p).ravel())
        result.append(p + (n - p) * (least / length) if length < least else n)
    return result


def row_update_floor(params, new, grads, state, t, *, lr, row_floor):
    result = []
    for p, n in zip(params, new, strict=True):
        if p.ndim < 2:
            rows = update_floor([p], [n], grads, state, t, lr=lr, floor=row_floor)
            result.append(rows[0])
            continue
        rows = [
            update_floor([a], [b], grads, state, t, lr=lr, floor=row_floor)[0]
            for a, b in zip(p, n, strict=True)
        ]
        result.append(np.array(rows).reshape(p.shape))
    return result


def ema_nesterov(params, new, grads, state, t, *, ahead, ahead_decay):
    reached = state.get("reached", params)
    means = state.get("movement", [0.0 * p for p in params])
    state["movement"] = [
        ahead_decay * m + (1 - ahead_decay) * (n - w)
        for m, n, w in zip(means, new, reached, strict=True)
    ]
    state["reached"] = new
    return [n + ahead * m for n, m in zip(new, state["movement"], strict=True)]


def tail_ema(params, new, grads, state, t, *, tail_start, tail_steps, tail_share):
    del tail_share  # of what is evaluated
    if t <= tail_start:
        state["tail_average"] = new
    else:
        averages = state["tail_average"]
        state["tail_average"] = [
            (1 - 1 / tail_steps) * a + n / tail_steps for a, n in zip(averages, new, strict=True)
        ]
    return new
