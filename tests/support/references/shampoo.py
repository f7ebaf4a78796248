"""Shampoo, SOAP and SOAP-Muon; tensors of more than two axes are stacks of matrices."""

import numpy as np


def _inverse_fourth_root(a):
    roots, vectors = np.linalg.eigh(a)
    return vectors @ np.diag(np.maximum(roots, 1e-16 * roots.max(initial=0)) ** -0.25) @ vectors.T


def shampoo(params, grads, state, t, *, lr, weight_decay, eps):
    """Algorithm 1 of Gupta, Koren and Singer (2018); vectors by their diagonal."""
    if t == 1:
        state["sums"] = {}
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        g = g + weight_decay * p
        if p.ndim < 2:
            total = state["sums"].get(k, np.full(p.shape, eps)) + g * g
            state["sums"][k] = total
            p[...] = p - lr * g / np.sqrt(total)
            continue
        for index in np.ndindex(p.shape[:-2]):
            own = g[index]
            start = (eps * np.eye(own.shape[0]), eps * np.eye(own.shape[1]))
            left, right = state["sums"].get((k, index), start)
            left, right = left + own @ own.T, right + own.T @ own
            state["sums"][k, index] = left, right
            if own.size:
                step = _inverse_fourth_root(left) @ own @ _inverse_fourth_root(right)
                p[index] = p[index] - lr * step


def _by_power(gram, q):
    """One power iteration and QR, and the order of the estimated eigenvalues."""
    product = gram @ q
    order = np.argsort(-np.sum(q * product, axis=0), kind="stable")
    return np.linalg.qr(product[:, order])[0], order


def soap(params, grads, state, t, *, lr, beta1, beta2, shampoo_beta, eps, weight_decay):
    """Algorithm 3 of Vyas et al. (2025) as in the authors' code, which skips the first step."""
    if t == 1:
        state["m"] = [np.zeros(p.shape) for p in params]
        state["v"] = [np.zeros(p.shape) for p in params]
        state["grams"], state["bases"] = {}, {}
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        places = [()] if p.ndim < 2 else list(np.ndindex(p.shape[:-2]))
        for index in places:
            is_matrix = p.ndim >= 2
            own, m, v = g[index], state["m"][k][index], state["v"][k][index]
            left, right = state["bases"].get((k, index), (None, None))
            if t > 1:
                m = beta1 * m + (1 - beta1) * own
                turned = left.T @ own @ right if is_matrix else own
                v = beta2 * v + (1 - beta2) * turned * turned
                rate = lr * np.sqrt(1 - beta2 ** (t - 1)) / (1 - beta1 ** (t - 1))
                if is_matrix:
                    u = left @ (left.T @ m @ right / (np.sqrt(v) + eps)) @ right.T
                else:
                    u = m / (np.sqrt(v) + eps)
                p[index] = (p[index] - rate * u) * (1 - lr * weight_decay)
            if is_matrix:
                a, b = state["grams"].get((k, index), (0.0, 0.0))
                a = shampoo_beta * a + (1 - shampoo_beta) * own @ own.T
                b = shampoo_beta * b + (1 - shampoo_beta) * own.T @ own
                state["grams"][k, index] = a, b
                if t == 1:
                    left, right = (np.linalg.eigh(x)[1][:, ::-1] for x in (a, b))
                elif (t - 1) % 10 == 0:
                    left, rows = _by_power(a, left)
                    right, columns = _by_power(b, right)
                    v = v[rows][:, columns]
                state["bases"][k, index] = left, right
            state["m"][k][index], state["v"][k][index] = m, v


def _orthogonalized(x):
    """The polynomial 2 s - 1.5 s^3 + 0.5 s^5 of the singular values, 12 times."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    s = s / max(np.linalg.norm(s), 1e-7)
    for _ in range(12):
        s = 2 * s - 1.5 * s**3 + 0.5 * s**5
    return (u * s) @ vt


def soap_muon(
    params, grads, state, t, every=1, *, lr, momentum, beta2, shampoo_beta, eps, weight_decay
):
    """Result 44 of the third track of modded-nanogpt: SOAP of the momentum, then Muon."""
    kept = state.setdefault("kept", {})
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        for index in np.ndindex(p.shape[:-2]):
            own = g[index]
            if not own.size:
                continue
            if t == 1:
                zero = np.zeros(own.shape)
                kept[k, index] = {"m": zero, "v": zero, "left": 0.0, "right": 0.0}
            s = kept[k, index]
            s["m"] = s["m"] + (1 - momentum) * (own - s["m"])
            u = own + momentum * (s["m"] - own)
            if t > 1:
                turned = s["q_left"].T @ u @ s["q_right"]
                s["v"] = beta2 * s["v"] + (1 - beta2) * turned**2
                scaled = turned / np.sqrt(np.maximum(s["v"], eps**2))
                u = s["q_left"] @ scaled @ s["q_right"].T
            rows, cols = own.shape
            step = max(1, rows / cols) ** 0.5 * _orthogonalized(u)
            p[index] = p[index] * (1 - lr * weight_decay) - lr * step
            s["left"] = shampoo_beta * s["left"] + (1 - shampoo_beta) * own @ own.T
            s["right"] = shampoo_beta * s["right"] + (1 - shampoo_beta) * own.T @ own
            if t == 1:
                for side in ("left", "right"):
                    s[f"q_{side}"] = np.linalg.eigh(s[side])[1][:, ::-1]
            elif (t - 1) % every == 0:
                s["q_left"], order = _by_power(s["left"], s["q_left"])
                s["v"] = s["v"][order]
                s["q_right"], order = _by_power(s["right"], s["q_right"])
                s["v"] = s["v"][:, order]
