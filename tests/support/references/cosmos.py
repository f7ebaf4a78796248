"""COSMOS of Liu et al. (2025); tensors of more than two axes are stacks of matrices."""

import numpy as np

from support.references.muon import _orthogonal


def cosmos(
    params, grads, state, t, rank=64, *, lr, beta1, beta2, eps, weight_decay, gamma, lr_ratio
):
    """With Nesterov momentum, as the authors' code; all directions where there are no more."""
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        p *= 1 - lr * weight_decay
        if p.ndim < 2:
            own = state.setdefault(k, {"m": 0.0, "v": 0.0})
            own["m"] = beta1 * own["m"] + (1 - beta1) * g
            own["v"] = beta2 * own["v"] + (1 - beta2) * g * g
            root = np.sqrt(own["v"] / (1 - beta2**t)) + eps
            p -= lr * own["m"] / (1 - beta1**t) / root
            continue
        for place in np.ndindex(p.shape[:-2]):
            if p[place].size:
                own = state.setdefault((k, place), {"m": 0.0, "v": 0.0})
                step = _of_matrix(g[place], own, t, rank, beta1, beta2, eps, gamma)
                p[place] -= lr * lr_ratio * _normed(step, eps)


def _normed(x, eps):
    return np.sqrt(x.size) * x / (np.linalg.norm(x) + eps)


def _of_matrix(g, own, t, rank, beta1, beta2, eps, gamma):
    """The step before its length is made that of all steps; the Gram matrix is written out."""
    gram = g.T @ g
    own["m"] = beta1 * own["m"] + g
    if t == 1:
        own["u"] = np.linalg.eigh(gram)[1][:, ::-1][:, :rank]
        before = np.zeros(gram.shape)
    else:
        before = own["u"] @ own["s"] @ own["u"].T
        own["u"] = np.linalg.qr((beta2 * before + (1 - beta2) * gram) @ own["u"])[0]
    u = own["u"]
    own["s"] = u.T @ (beta2 * before + (1 - beta2) * gram) @ u
    own["v"] = beta2 * own["v"] + (1 - beta2) * (g @ u) ** 2
    ahead = (g + beta1 * own["m"]) / (1 + beta1 * sum(beta1**i for i in range(t)))
    inside = ahead @ u
    step = inside / (np.sqrt(own["v"] / (1 - beta2**t)) + eps) @ u.T
    if u.shape[1] < g.shape[1]:
        rest = _orthogonal(ahead - inside @ u.T, 1e-7, is_added=True)
        step = step + gamma * _normed(rest, eps)
    return step
