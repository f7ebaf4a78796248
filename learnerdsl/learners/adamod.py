"""AdaMod: Adam whose rates stay below their running mean."""

from learnerdsl import assign, minimum, rule, sqrt, state, step


@rule
def adamod(p, g, lr=1e-3, beta1=0.9, beta2=0.99, beta3=0.9999, eps=1e-8, weight_decay=0.0):
    r"""AdaMod: Adam in which no element's rate exceeds its own running mean.

    $$p \leftarrow (1 - \eta \lambda)\, p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$a = \frac{\eta \sqrt{1 - \beta_2^t}}{(1 - \beta_1^t) (\sqrt{v} + \epsilon)} \qquad
    s \leftarrow \beta_3 s + (1 - \beta_3)\, a \qquad
    p \leftarrow p - \min(a, s)\, m$$

    Smooths out the very large rates of Adam's first steps and so needs no warm-up: the first
    $1 / (1 - \beta_3)$ steps are small. Follows `pytorch_optimizer.AdaMod`, with its defaults.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        beta3: share $\beta_3$ of the mean rate that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m` and `v`, the running means of the gradient and of its square, and `s`,
    that of the rate.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adamod
        >>> weights = np.ones(3, np.float32)
        >>> learner = adamod([weights], lr=0.1, beta3=0.9)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.99, 0.99, 1.01], dtype=float32)

    References:
        Ding et al., [An Adaptive and Momental Bound Method for Stochastic
        Learning](https://arxiv.org/abs/1910.12249), 2019.
    """
    m, v, s = state("m"), state("v"), state("s")
    p_decayed = (1 - lr * weight_decay) * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    a = lr * sqrt(1 - beta2**step) / (1 - beta1**step) / (sqrt(v_new) + eps)
    s_new = assign(s, beta3 * s + (1 - beta3) * a)
    return assign(p, p_decayed - minimum(a, s_new) * m_new)
