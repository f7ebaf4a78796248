"""Rules that count tensors, or what a condition chooses, and what they compute, by hand."""

import numpy as np

import learnerdsl as ld

FROM = 3.0
"""The norm of a gradient from which its tensor is long."""


@ld.rule
def counted(p, g, lr=0.1):
    """Reductions over the model that count tensors, some of them only long ones."""
    norm = ld.norm(g)
    is_long = norm > FROM
    own = {"over": "model", "of": "tensors"}
    kept = {
        "mean": ld.mean(norm, **own),
        "norm": ld.norm(norm - 1, **own, where=is_long),
        "most": ld.max(-norm, **own, where=is_long),
        "least": ld.min(norm, **own, where=is_long),
        "prod": ld.prod(norm / 2, **own),
        "count": ld.count(is_long, **own),
        "chosen": ld.mean(g, over="model", where=is_long),
        "dot": ld.sum(g * (g - 1), over="model", where=g > 0),
    }
    all_long = ld.where(ld.all(norm > 0.1, **own) & ld.any(is_long, **own), 1, 2)
    assigns = [ld.assign(ld.state(f"s_{k}", shape="model"), v) for k, v in kept.items()]
    return ld.combine([*assigns, ld.assign(p, p - lr * all_long * g * ld.tanh(sum(assigns)))])


def states_by_hand(gradients):
    """The states of `counted` after an update with these gradients, which may be empty."""
    gradients = [np.asarray(g, np.float64) for g in gradients if np.size(g)]
    norms = np.array([np.sqrt((g * g).sum()) for g in gradients])
    long = norms[norms > FROM]
    chosen = [np.ravel(g) for g, n in zip(gradients, norms, strict=True) if n > FROM]
    elements = np.concatenate([np.ravel(g) for g in gradients])
    positive = elements[elements > 0]
    return {
        "s_mean": norms.mean(),
        "s_norm": np.sqrt(((long - 1) ** 2).sum()),
        "s_most": (-long).max(),
        "s_least": long.min(),
        "s_prod": np.prod(norms / 2),
        "s_count": len(long),
        "s_chosen": np.concatenate(chosen).mean(),
        "s_dot": (positive * (positive - 1)).sum(),
    }


def path_by_hand(start, updates, lr=0.1):
    """The parameters after each of the updates of `counted`, whose tensors all have a gradient."""
    params, path = [np.array(p, np.float64) for p in start], []
    for gradients in updates:
        total = np.tanh(sum(states_by_hand(gradients).values()))
        params = [p - lr * total * g for p, g in zip(params, gradients, strict=True)]
        path.append(params)
    return path


@ld.rule
def by_mean_norm(p, g, lr=0.1):
    """All tensors are counted; there may be any number of them."""
    return ld.assign(p, p - lr * g / (1 + ld.mean(ld.norm(g), over="model", of="tensors")))


@ld.rule
def by_turns(p, g, lr=0.1):
    """Tensors are counted in sweeps of rows, and rows are reduced where a condition holds."""
    rows = ld.sum(g, axis=-1, where=g > 0)
    longest = ld.mean(ld.max(rows), over="model", of="tensors")
    first = ld.sum(1, over="model", of="tensors")
    return ld.assign(p, p - lr * first * (g * rows - longest))


def by_turns_by_hand(start, updates, lr=0.1):
    """The parameters after each of the updates of `by_turns`."""
    params, path = [np.array(p, np.float64) for p in start], []
    for gradients in updates:
        rows = [np.where(g > 0, g, 0).sum(-1, keepdims=True) for g in gradients]
        longest = np.mean([own.max() for own in rows])
        changes = [len(rows) * (g * own - longest) for g, own in zip(gradients, rows, strict=True)]
        params = [p - lr * change for p, change in zip(params, changes, strict=True)]
        path.append(params)
    return path


CASES = [
    (counted, path_by_hand, ((), (40,), (5, 3), (2, 3, 4))),
    (by_turns, by_turns_by_hand, ((4, 3), (2, 5, 3), (70, 90))),
]
"""Rules, what they do by hand, and shapes of tensors to try them with."""
