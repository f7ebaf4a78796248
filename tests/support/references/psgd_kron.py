"""PSGD-Kron; tensors of more than two axes are stacks of matrices."""

import math

import numpy as np

from support.references.noisy_sgd import _normal


def _noise(shape, t, k):
    """Of tensor k in update t; matrices are drawn column by column."""
    drawn = _normal(math.prod(shape), stream=1, seed=0, step=t, tensor=k)
    if len(shape) < 2:
        return drawn.reshape(shape)
    *stack, rows, cols = shape
    return np.swapaxes(drawn.reshape(*stack, cols, rows), -1, -2)


def _lower_bound(s):
    """Of the spectral norm of a symmetric matrix."""
    row = s[np.argmax(np.sum(s**2, axis=1))]
    x = s @ row
    return np.linalg.norm(s @ x) / np.linalg.norm(x)


def _learn(q, g, noise, precond_lr):
    """The step of the triangular factors, in place."""
    a = q[0] @ g @ q[1].T
    b = np.linalg.inv(q[0]).T @ noise @ np.linalg.inv(q[1])
    for k, (x, y) in enumerate(((a, b), (a.T, b.T))):
        up, down = x @ x.T, y @ y.T
        slope = np.triu(up - down) / _lower_bound(up + down)
        q[k] = q[k] - precond_lr * slope @ q[k]


def psgd_kron(
    params,
    grads,
    state,
    t,
    balance_every=100,
    *,
    lr,
    momentum,
    weight_decay,
    precond_lr,
    precond_init_scale,
    min_prob,
    prob_decay,
    flat_start,
):
    """Kron of kron_torch, whose noise has the numbers of the learner with the seed 0."""
    if t == 1:
        state.update(m=[np.zeros(p.shape) for p in params], waited=0, q={})
    probability = np.clip(np.exp(-prob_decay * (t - 1 - flat_start)), min_prob, 1)
    state["waited"] += 1
    is_due = state["waited"] >= 1 / probability
    if is_due:
        state["waited"] = 0
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        m = state["m"][k] = momentum * state["m"][k] + (1 - momentum) * g
        m_hat = m / (1 - momentum**t)
        noise = _noise(p.shape, t, k)
        for index in np.ndindex(p.shape[:-2]) if p.ndim > 1 else [()]:
            own = m_hat[index]
            if not own.size:
                continue
            if p.ndim < 2:
                q = state["q"].setdefault(k, np.full(p.shape, precond_init_scale))
                if is_due:
                    up, down = (q * own) ** 2, (noise / q) ** 2
                    q = q - precond_lr * (up - down) / np.max(up + down) * q
                    state["q"][k] = q
                u = q**2 * own
            else:
                start = [precond_init_scale**0.5 * np.eye(n) for n in own.shape]
                q = state["q"].setdefault((k, index), start)
                if is_due and t % balance_every == 0:
                    lengths = [np.abs(factor).max() for factor in q]
                    middle = np.sqrt(lengths[0] * lengths[1])
                    q[:] = [q[0] * middle / lengths[0], q[1] * middle / lengths[1]]
                if is_due:
                    _learn(q, own, noise[index], precond_lr)
                u = q[0].T @ q[0] @ own @ q[1].T @ q[1]
            u = u * min(1.1 / (np.sqrt(np.mean(u**2)) + 1e-8), 1.0)
            p[index] = p[index] - lr * (u + weight_decay * p[index])
