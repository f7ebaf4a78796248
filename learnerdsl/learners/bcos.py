"""BCOS: momentum over an estimate of its own mean square, with one state."""

from learnerdsl import assign, rule, sqrt, state


@rule
def bcos(p, g, lr=1e-3, beta=0.9, eps=1e-6, weight_decay=0.1):
    r"""BCOS-c: block-coordinate optimal step sizes from a conditional estimate.

    $$v = (3\beta^2 - 2\beta^3)\, m^2 + 2\beta (1 - \beta)^2\, m g + (1 - \beta)^2\, g^2$$

    $$m \leftarrow \beta m + (1 - \beta)\, g \qquad
    p \leftarrow (1 - \eta \lambda) p - \eta \frac{m}{\sqrt{v} + \epsilon}$$

    with the old $m$ in $v$, and $m$ starting from the first gradient. $v$ estimates the mean square
    of the new $m$, given the old one, so no second running mean is needed: half the memory of
    AdamW, and fewer constants. Made for transformers and convolutional networks, with AdamW's rate
    and decay. It has no memory of large gradients beyond that of $m$. Follows the mode "c" of the
    authors' code (pytorch_optimizer 4.1 computes $v$ from the new $m$).

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta: share $\beta$ of the mean gradient that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the running mean of the gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import bcos
        >>> weights = np.ones(2, np.float32)
        >>> learner = bcos([weights], lr=0.1, weight_decay=0.0)
        >>> for gradient in ([1, 1], [1, -1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8   0.819]

    References:
        Jiang and Xiao, [Stochastic Approximation with Block Coordinate Optimal
        Stepsizes](https://arxiv.org/abs/2507.08963), 2025.
    """
    m = state("m", init=g)
    cross = 2 * beta * (1 - beta) ** 2 * m * g
    v = (3 * beta**2 - 2 * beta**3) * m**2 + cross + (1 - beta) ** 2 * g**2
    m_new = assign(m, beta * m + (1 - beta) * g)
    return assign(p, (1 - lr * weight_decay) * p - lr * m_new / (sqrt(v) + eps))
