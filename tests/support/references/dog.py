"""DoG and DoWG over the whole model, DoG for every tensor by itself."""

import numpy as np


def dog(params, grads, state, t, *, lr, eps, reps_rel):
    """DoG of Ivgi et al. (2023), the first distance a part of the weights."""
    if t == 1:
        state["start"] = [p.copy() for p in params]
        state["distance"] = reps_rel * (1.0 + np.sqrt(_square(params)))
        state["sum"] = 0.0
    state["distance"] = max(state["distance"], np.sqrt(_moved(params, state)))
    state["sum"] += _square(grads)
    for p, g in zip(params, grads, strict=True):
        p[...] = p - lr * state["distance"] / np.sqrt(state["sum"] + eps) * g


def dowg(params, grads, state, t, *, lr, eps):
    """DoWG of Khaled et al. (2023), the first squared distance being eps."""
    if t == 1:
        state["start"] = [p.copy() for p in params]
        state["distance2"] = eps
        state["sum"] = 0.0
    state["distance2"] = max(state["distance2"], _moved(params, state))
    state["sum"] += state["distance2"] * _square(grads)
    for p, g in zip(params, grads, strict=True):
        p[...] = p - lr * state["distance2"] / (np.sqrt(state["sum"]) + eps) * g


def l_dog(params, grads, state, t, *, lr, eps, reps_rel):
    """L-DoG of Ivgi et al. (2023): a state of DoG for each tensor."""
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        dog([p], [g], state.setdefault(i, {}), t, lr=lr, eps=eps, reps_rel=reps_rel)


def _square(arrays):
    return sum(np.sum(a * a) for a in arrays)


def _moved(params, state):
    return _square([p - q for p, q in zip(params, state["start"], strict=True)])
