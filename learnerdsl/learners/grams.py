"""Grams: step sizes from Adam, directions from the gradient."""

from learnerdsl import abs, assign, rule, sign, sqrt, state, step


@rule
def grams(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.0):
    r"""Grams: steps with the size of Adam's and the sign of the gradient.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{m} = \frac{m}{1 - \beta_1^t} \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    $$p \leftarrow (1 - \eta \lambda)\, p \qquad
    p \leftarrow p - \eta \, \mathrm{sign}(g)
    \left\lvert \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon} \right\rvert$$

    Momentum sets only how far an element moves, so it cannot carry an element past a minimum. Where
    the gradient is mostly noise, so is its sign, and momentum does not average that out. Follows
    the paper and `pytorch_optimizer.Grams` from 4.1 on.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $\hat{v}$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import grams
        >>> weights = np.ones(2, np.float32)
        >>> learner = grams([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, -0.5]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8   0.927]

    References:
        Cao, Li and Song, [Grams: Gradient Descent with Adaptive Momentum
        Scaling](https://arxiv.org/abs/2412.17107), 2024.
    """
    m, v = state("m"), state("v")
    m_hat = assign(m, beta1 * m + (1 - beta1) * g) / (1 - beta1**step)
    v_hat = assign(v, beta2 * v + (1 - beta2) * g**2) / (1 - beta2**step)
    u = abs(m_hat) / (sqrt(v_hat) + eps)
    return assign(p, (1 - lr * weight_decay) * p - lr * sign(g) * u)
