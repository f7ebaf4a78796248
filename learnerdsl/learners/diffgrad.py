"""diffGrad: Adam with friction where the gradient hardly changes."""

from learnerdsl import abs, assign, combine, exp, rule, sqrt, state, step


@rule
def diffgrad(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    r"""diffGrad: Adam, slowed down where the gradient hardly changes.

    $$g \leftarrow g + \lambda p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$\xi = \frac{1}{1 + e^{-\lvert g' - g \rvert}} \qquad
    p \leftarrow p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}
    \frac{\xi m}{\sqrt{v} + \epsilon} \qquad
    g' \leftarrow g$$

    The friction $\xi$ between 1/2 and 1 is meant to keep Adam from overshooting an optimum. It
    depends on the scale of the gradients: where they are small, it is 1/2 for all elements and only
    halves the rate. Follows the authors' code.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of $v$ before that is corrected.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `m` and `v`, the running means of the gradient and of its square;
    `previous`, the last gradient $g'$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import diffgrad
        >>> weights = np.ones(2, np.float32)
        >>> learner = diffgrad([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, 3], [1, -3]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.927 0.927]
        [0.877 0.846]
        [0.827 0.839]

    References:
        Dubey et al., [diffGrad: An Optimization Method for Convolutional Neural
        Networks](https://arxiv.org/abs/1909.11015), 2020.
    """
    m, v, previous = state("m"), state("v"), state("previous")
    g = g + weight_decay * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    friction = 1 / (1 + exp(-abs(previous - g)))
    adam_lr = lr * sqrt(1 - beta2**step) / (1 - beta1**step)
    moved = assign(p, p - adam_lr * friction * m_new / (sqrt(v_new) + eps))
    return combine([moved, assign(previous, g)])
