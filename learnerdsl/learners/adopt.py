"""ADOPT: Adam that normalises each gradient before it enters the momentum."""

from learnerdsl import assign, clip, combine, let, maximum, rule, sqrt, state, step, where


@rule
def adopt(p, g, lr=1e-3, beta1=0.9, beta2=0.9999, eps=1e-6):
    r"""ADOPT: momentum of gradients, each divided by the second moment of the step before.

    $$c = (t - 1)^{1/4} \qquad
    \hat{g} = \operatorname{clip}\!\left( \frac{g}{\max(\sqrt{v}, \epsilon)}, -c, c \right)$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, \hat{g} \qquad
    p \leftarrow p - \eta m \qquad
    v \leftarrow \begin{cases} g^2 & t = 1 \\ \beta_2 v + (1 - \beta_2)\, g^2 & t > 1 \end{cases}$$

    with the old $v$ in $\hat{g}$. Converges with any $\beta_2$, while Adam needs one that suits the
    problem. The first update only fills $v$ and moves nothing, since $c = 0$. Follows the authors'
    code and `optax.contrib.adopt`, both with clipping. (timm has the exponent 0.333.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean normalised gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, the least divisor.

    State variables: `m`, the running mean of the normalised gradient; `v`, that of the squared
    gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adopt
        >>> weights = np.ones(2, np.float32)
        >>> learner = adopt([weights], lr=0.1)
        >>> for gradient in ([10, 0.1], [10, 0.1], [10, 0.1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [1. 1.]
        [0.99 0.99]
        [0.971 0.971]

    References:
        Taniguchi et al., [ADOPT: Modified Adam Can Converge with Any β2 with the Optimal
        Rate](https://arxiv.org/abs/2411.02853), 2024.
    """
    m, v = state("m"), state("v")
    limit = let("limit", (step - 1) ** 0.25)
    g_hat = clip(g / maximum(sqrt(v), eps), -limit, limit)
    m_new = assign(m, beta1 * m + (1 - beta1) * g_hat)
    p_new = assign(p, p - lr * m_new)
    v_new = assign(v, where(step > 1, beta2 * v + (1 - beta2) * g**2, g**2))
    return combine([p_new, v_new])
