"""Adamax and AdamaxW: Adam with the infinity norm in place of the root mean square."""

from learnerdsl import assign, maximum, rule, state, step


@rule
def adamax(p, g, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    r"""Adamax: momentum divided by the largest recent gradient.

    $$g \leftarrow g + \lambda p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    u \leftarrow \max(\beta_2 u, |g| + \epsilon) \qquad
    p \leftarrow p - \frac{\eta}{1 - \beta_1^t} \frac{m}{u}$$

    No step is much longer than $\eta$, which helps with rare, large gradients such as those of
    embeddings. One outlier shortens the steps for about $1 / (1 - \beta_2)$ updates. Follows
    `torch.optim.Adamax` (equal to `optax.adamax`): $\epsilon$ is inside the maximum, where the
    paper has none. (Keras adds it to $u$.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the largest gradient that is kept.
        eps: $\epsilon$, added to each absolute gradient.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `m`, the running mean of the gradient; `u`, its decaying maximum.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adamax
        >>> weights = np.ones(2, np.float32)
        >>> learner = adamax([weights], lr=0.1)
        >>> for gradient in ([10, 10], [1, 10], [1, 10]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.847 0.8  ]
        [0.81 0.7 ]

    References:
        Kingma and Ba, [Adam: A Method for Stochastic
        Optimization](https://arxiv.org/abs/1412.6980), section 7.1, 2015.
    """
    m, u = state("m"), state("u")
    g = g + weight_decay * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    u_new = assign(u, maximum(beta2 * u, abs(g) + eps))
    return assign(p, p - lr / (1 - beta1**step) * m_new / u_new)


@rule
def adamaxw(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-4):
    r"""AdamaxW: Adamax with weight decay outside the division.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    u \leftarrow \max(\beta_2 u, |g| + \epsilon) \qquad
    p \leftarrow p - \eta \left( \frac{m}{(1 - \beta_1^t)\, u} + \lambda p \right)$$

    Serves the same purposes as `adamax`, with a decay that shrinks all weights alike. Follows
    `optax.adamaxw`: the decay is multiplied by the learning rate.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the largest gradient that is kept.
        eps: $\epsilon$, added to each absolute gradient.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the running mean of the gradient; `u`, its decaying maximum.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adamaxw
        >>> weights = np.ones(3, np.float32)
        >>> learner = adamaxw([weights], lr=0.1, weight_decay=0.1)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.89, 0.89, 1.09], dtype=float32)

    References:
        Kingma and Ba, [Adam: A Method for Stochastic
        Optimization](https://arxiv.org/abs/1412.6980), section 7.1, 2015; Loshchilov and Hutter,
        [Decoupled Weight Decay Regularization](https://arxiv.org/abs/1711.05101), 2019.
    """
    m, u = state("m"), state("u")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    u_new = assign(u, maximum(beta2 * u, abs(g) + eps))
    m_hat = m_new / (1 - beta1**step)
    return assign(p, p - lr * (m_hat / u_new + weight_decay * p))
