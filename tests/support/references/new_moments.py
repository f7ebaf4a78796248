"""Rules of 2025 and 2026 that go element by element, from their papers."""

import numpy as np


def _start(state, params, *names):
    for name in names:
        state.setdefault(name, [np.zeros(p.shape) for p in params])


def _decayed_average(old, new, share):
    return share * old + (1.0 - share) * new


def adams_momentum(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Algorithm 1 of Zhang, Wang and Chen (2025)."""
    _start(state, params, "m")
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        before = state["m"][i]
        state["m"][i] = _decayed_average(before, g, beta1)
        size = np.sqrt(beta2 * before * before + (1.0 - beta2) * g * g)
        p[...] = p - lr * weight_decay * p - lr * state["m"][i] / (size + eps)


def bcos(params, grads, state, t, *, lr, beta, eps, weight_decay):
    """BCOS-c of Jiang and Xiao (2025): the expected square of d, E[g] being about the new d.

    d = beta m + (1 - beta) g, so d^2 = beta^2 m^2 + 2 beta (1 - beta) m g + (1 - beta)^2 g^2.
    """
    means = state.setdefault("m", [g.copy() for g in grads])
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        m, d = means[i], _decayed_average(means[i], g, beta)
        expected = beta**2 * m * m + 2 * beta * (1 - beta) * m * d + (1 - beta) ** 2 * g * g
        p[...] = p - lr * weight_decay * p - lr * d / (np.sqrt(expected) + eps)
        means[i] = d


def ano(params, grads, state, t, *, lr, beta1, beta2, eps, weight_decay):
    """Ano of Kegreisz (2025), v with the decay and the correction of pytorch_optimizer."""
    _start(state, params, "m", "v")
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = _decayed_average(state["m"][i], g, beta1)
        v, square = state["v"][i], g * g
        state["v"][i] = beta2 * v - (1.0 - beta2) * np.sign(v - square) * square
        size = np.sqrt(state["v"][i] / (1.0 - beta2**t)) + eps
        p[...] = p - lr * weight_decay * p - lr * np.abs(g) / size * np.sign(state["m"][i])


def madam(params, grads, state, t, *, lr, beta1, beta2, weight_decay, scale_log2):
    """MAdam of Emerging-Optimizers (2026): Adam of the gradients times the root of the scale."""
    _start(state, params, "m", "v")
    root_of_scale = np.exp2(scale_log2 / 2)
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state["m"][i] = _decayed_average(state["m"][i], g, beta1)
        state["v"][i] = _decayed_average(state["v"][i], (root_of_scale * g) ** 2, beta2)
        mean = root_of_scale * state["m"][i] / (1.0 - beta1**t)
        size = np.sqrt(state["v"][i] / (1.0 - beta2**t))
        p[...] = p - lr * weight_decay * p
        moves = state["m"][i] != 0
        p[...] = p - lr * np.divide(mean, size, out=np.zeros(p.shape), where=moves)


def gpa_adamw(params, grads, state, t, *, lr, beta1, beta2, mu_x, mu_y, eps, weight_decay):
    """GPA-AdamW of Defazio et al. (2025), by y and z as the authors compute them.

    Without decay it is z - lr u, x <- mu_x x + (1 - mu_x) z, y = mu_y x + (1 - mu_y) z.
    """
    _start(state, params, "m", "v")
    points = state.setdefault("z", [p.copy() for p in params])
    for i, (y, g) in enumerate(zip(params, grads, strict=True)):
        u = _adam(state, i, g, t, beta1, beta2, eps)
        z = points[i] * (1.0 - lr * weight_decay)
        y[...] = mu_x * y + (1.0 - mu_x) * z + lr * (mu_x * mu_y - 1.0) * u
        points[i] = z - lr * u


def schedule_free_plus(
    params,
    grads,
    state,
    t,
    *,
    lr,
    beta1,
    beta2,
    sf_beta,
    eps,
    weight_decay,
    polyak_beta,
    average_from,
    r,
    weight_lr_power,
    loss,
):
    """ScheduleFree+ of Defazio et al. (2026), with its three sequences x, y (the parameter), z."""
    _start(state, params, "m", "v")
    for name in ("x", "z"):
        state.setdefault(name, [p.copy() for p in params])
    absolute = sum(np.sum(np.abs(g)) for g in grads) * np.sqrt(np.pi / 2)
    state["l1"] = _decayed_average(state.get("l1", 0.0), absolute, polyak_beta)
    ahead = sum(np.sum(g * (z - x)) for g, z, x in zip(grads, state["z"], state["x"], strict=True))
    polyak = max(0.0, loss + sf_beta * ahead) / (state["l1"] / (1.0 - polyak_beta**t))
    rate = lr * polyak
    state["largest"] = max(rate, state.get("largest", 0.0))
    share = 1.0
    if t > average_from:
        weight = t**r * state["largest"] ** weight_lr_power
        state["weights"] = state.get("weights", 0.0) + weight
        share = weight / state["weights"] if state["weights"] > 0 else 0.0
    for i, (y, g) in enumerate(zip(params, grads, strict=True)):
        u = _adam(state, i, g, t, beta1, beta2, eps)
        state["z"][i] = state["z"][i] - rate**2 * weight_decay * y - rate * u
        state["x"][i] = (1.0 - share) * state["x"][i] + share * state["z"][i]
        y[...] = sf_beta * state["x"][i] + (1.0 - sf_beta) * state["z"][i]


def _adam(state, i, g, t, beta1, beta2, eps):
    """The direction of Adam, after its means took up the gradient."""
    state["m"][i] = _decayed_average(state["m"][i], g, beta1)
    state["v"][i] = _decayed_average(state["v"][i], g * g, beta2)
    return state["m"][i] / (1.0 - beta1**t) / (np.sqrt(state["v"][i] / (1.0 - beta2**t)) + eps)
