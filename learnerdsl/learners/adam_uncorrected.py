"""Adam without bias correction."""

from learnerdsl import assign, rule, sqrt, state


@rule
def adam_uncorrected(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    r"""Adam without bias correction: its running means start at zero and stay too small at first.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    p \leftarrow p - \eta \frac{m}{\sqrt{v} + \epsilon}$$

    With the usual betas the first steps are about three times those of `adam`, because $v$ grows
    more slowly than $m$; a warm-up compensates for that. Follows `mlx.optimizers.Adam`, which
    corrects nothing by default.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adam_uncorrected
        >>> weights = np.ones(3, np.float32)
        >>> learner = adam_uncorrected([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.684, 0.684, 0.684], dtype=float32)

    References:
        Kingma and Ba, [Adam: A Method for Stochastic
        Optimization](https://arxiv.org/abs/1412.6980), 2015.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    return assign(p, p - lr * m_new / (sqrt(v_new) + eps))
