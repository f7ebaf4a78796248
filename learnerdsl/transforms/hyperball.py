"""Steps on a sphere: the norm of each tensor stays what it is."""

from learnerdsl import equal, let, maximum, norm, shared, transform, where


@transform(place="after")
def hyperball(p, new, lr=shared, hyperball_eps=1e-10):
    r"""Take a step relative to the norm of each tensor, and keep that norm.

    $$d = p' - p \qquad
    q = p + \eta \lVert p \rVert \frac{d}{\max(\lVert d \rVert, \epsilon)} \qquad
    p' \leftarrow \lVert p \rVert \frac{q}{\max(\lVert q \rVert, \epsilon)}$$

    with the norms over one tensor, and $p' = p$ where $d = 0$. The rule gives the direction alone,
    and the learning rate is the angle of a step, so that weight decay has nothing left to do. For
    hidden matrices that start from random values: a tensor of zeros stays as it is, and norms and
    biases should move freely. With `muon` this is MuonH of the nanoGPT benchmark, with `adam`
    AdamH of levanter.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        lr: learning rate $\eta$ of the rule.
        hyperball_eps: $\epsilon$, the least norm to divide by.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import hyperball
        >>> weights = np.array([3, 4], np.float32)
        >>> learner = chain(sgd, hyperball)([weights], lr=0.5)
        >>> learner.update([np.array([0, 100], np.float32)])
        True
        >>> weights.round(3), np.linalg.norm(weights).round(3)
        (array([4.472, 2.236], dtype=float32), np.float32(5.0))

    References:
        Wen et al., [Fantastic Pretraining Optimizers and Where to Find Them 2.1: Hyperball
        Optimization](https://psychedelic-sunstone-851.notion.site/2e924306e6f280e7a5ffee00eb40a0dd),
        2026.
    """
    change = new - p
    p_norm, length = norm(p), norm(change)
    moved = let("moved", p + lr * p_norm / maximum(length, hyperball_eps) * change)
    scale = p_norm / maximum(norm(moved), hyperball_eps)
    return where(equal(length, 0), p, scale * moved)
