"""Ano: the sign of the momentum, and the size of the gradient."""

from learnerdsl import abs, assign, let, rule, sign, sqrt, state, step


@rule
def ano(p, g, lr=1e-4, beta1=0.92, beta2=0.99, eps=1e-8, weight_decay=0.0):
    r"""Ano: momentum gives the direction of a step, and the gradient its length.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2) \operatorname{sgn}(g^2 - v)\, g^2$$

    $$p \leftarrow (1 - \eta \lambda) p
    - \eta \frac{|g| \operatorname{sgn}(m)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$

    For noisy and moving targets, as in reinforcement learning: steps grow as soon as gradients do,
    while the direction stays smooth. Where noise is low it has no advantage over AdamW. An element
    whose gradient is 0 does not move, so momentum does not carry it on. Follows
    `pytorch_optimizer.Ano` without its logarithmic schedule of $\beta_1$; like it, and unlike
    `yogi`, $v$ decays in both directions.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of $v$ that is kept, at least 0.5.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the running mean of the gradient; `v`, the estimate of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import ano
        >>> weights = np.ones(2, np.float32)
        >>> learner = ano([weights], lr=0.1)
        >>> for gradient in ([1, 1], [0.1, -0.1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.886 0.886]

    References:
        Kegreisz, [Ano: Faster is Better in Noisy Landscapes](https://arxiv.org/abs/2508.18258),
        2025.
    """
    m, v = state("m"), state("v")
    square = let("square", g**2)
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * sign(square - v) * square)
    root = sqrt(abs(v_new) / (1 - beta2**step)) + eps
    return assign(p, (1 - lr * weight_decay) * p - lr * abs(g) * sign(m_new) / root)
