"""AggMo: several momentum buffers at once."""

from learnerdsl import assign, rule, state


@rule
def aggmo(p, g, lr=1e-3, beta1=0.0, beta2=0.9, beta3=0.99, weight_decay=0.0):
    r"""AggMo: the mean of three momentum steps with different memories.

    $$g \leftarrow g + \lambda p \qquad
    b_i \leftarrow \beta_i b_i + g \qquad
    p \leftarrow p - \frac{\eta}{3} \sum_{i=1}^{3} b_i$$

    The short memories damp the oscillation of the long one, so 0.99 is safe. It keeps three
    buffers. Follows `pytorch_optimizer.AggMo`, with three betas.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: $\beta_1$, share of the first buffer that is kept.
        beta2: $\beta_2$, that of the second.
        beta3: $\beta_3$, that of the third.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `b1`, `b2` and `b3`, the momentum buffers.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import aggmo
        >>> weights = np.ones(2, np.float32)
        >>> learner = aggmo([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, 0], [1, 0]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.737 0.837]
        [0.514 0.777]

    References:
        Lucas et al., [Aggregated Momentum: Stability Through Passive
        Damping](https://arxiv.org/abs/1804.00325), 2019.
    """
    b1, b2, b3 = state("b1"), state("b2"), state("b3")
    g = g + weight_decay * p
    b1_new = assign(b1, beta1 * b1 + g)
    b2_new = assign(b2, beta2 * b2 + g)
    b3_new = assign(b3, beta3 * b3 + g)
    return assign(p, p - lr / 3 * (b1_new + b2_new + b3_new))
