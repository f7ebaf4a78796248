"""SM3: AdaGrad whose sums are stored as one axis array for each axis."""

from learnerdsl import assign, combine, let, max, minimum, ndim, rule, sqrt, state, where


@rule
def sm3(p, g, lr=1e-3, momentum=0.9, eps=1e-8):
    r"""SM3-II: square roots of minima of sums of maxima of squared gradients.

    $$\nu = g^2 + \min_k v_k \qquad
    u = \frac{g}{\sqrt{\nu + \epsilon}} \qquad
    m \leftarrow \mu m + (1 - \mu)\, u \qquad
    v_k \leftarrow \max_{\text{axes but } k} \nu \qquad
    p \leftarrow p - \eta m$$

    with an axis array $v_k$ for each axis $k$, and $u = 0$ where $\nu = 0$. For embeddings and
    other large tables whose rows get gradients of different sizes: AdaGrad with the memory of
    momentum. As in AdaGrad, the rate of a row only falls. Follows `optax.sm3`; tensors of fewer
    than two axes are AdaGrad with momentum of the steps.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean step that is kept.
        eps: $\epsilon$, added to the sum of squares under the root; optax has 1e-8.

    State variables: `m`, the mean step; `v0`, `v1` and so on, for each axis bounds of the sum of
    squared gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import sm3
        >>> weights = np.ones((2, 3), np.float32)
        >>> learner = sm3([weights], lr=0.1)
        >>> learner.update([np.array([[3, 1, 2], [1, 1, 0]], np.float32)])
        True
        >>> weights.round(3)
        array([[0.99, 0.99, 0.99],
               [0.99, 0.99, 1.  ]], dtype=float32)
        >>> learner.state[0]["v0"], learner.state[0]["v1"]
        (array([9., 1.], dtype=float32), array([9., 1., 4.], dtype=float32))

    References:
        Anil et al., [Memory-Efficient Adaptive Optimization](https://arxiv.org/abs/1901.11150),
        2019.
    """
    m = state("m")
    axes = range(ndim(p))
    bounds = [state(f"v{k}", shape=(k,)) for k in axes] or [state("v0")]
    nu = let("nu", g**2 + minimum(*bounds))
    u = where(nu > 0, g / sqrt(nu + eps), 0)
    moved = assign(p, p - lr * assign(m, momentum * m + (1 - momentum) * u))
    if ndim(p) < 2:
        return combine([moved, assign(bounds[0], nu)])
    others = [tuple(axis for axis in axes if axis != k) for k in axes]
    news = [assign(v, max(nu, axis=o)) for v, o in zip(bounds, others, strict=True)]
    return combine([moved, *news])
