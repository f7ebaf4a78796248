"""ASGO, one-sided Shampoo; tensors of more than two axes are stacks of matrices."""

import numpy as np


def _whitened(m, gram):
    """gram^(-1/2) m, direction by direction."""
    result = np.zeros(m.shape)
    values, vectors = np.linalg.eigh(gram)
    for value, vector in zip(values, vectors.T, strict=True):
        result += np.outer(vector, vector @ m) / np.sqrt(value)
    return result


def asgo(params, grads, state, t, every=1, *, lr, beta1, beta2, eps, weight_decay):
    """The practical algorithm of An et al. (2025), with the lengths of the authors' code."""
    kept = state.setdefault("kept", {})
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        for index in np.ndindex(p.shape[:-2]):
            is_wide = p.shape[-2] < p.shape[-1]
            own = g[index] if is_wide else g[index].T
            if not own.size:
                continue
            m, gram, used = kept.get((k, index), (0.0, 0.0, None))
            m = beta1 * m + (1 - beta1) * own
            gram = beta2 * gram + (1 - beta2) * own @ own.T
            if (t - 1) % every == 0:
                used = gram + eps * np.eye(len(gram))
            kept[k, index] = m, gram, used
            u = _whitened(m, used)
            length = np.sqrt(np.sum(u**2))
            u = 0.2 * np.sqrt(u.size) * u / length if length else u
            p[index] = (1 - lr * weight_decay) * p[index] - lr * (u if is_wide else u.T)
