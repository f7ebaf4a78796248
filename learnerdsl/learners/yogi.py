"""Yogi: Adam whose second moment changes by bounded steps."""

from learnerdsl import assign, let, rule, sign, sqrt, state, step


@rule
def yogi(p, g, lr=1e-2, beta1=0.9, beta2=0.999, eps=1e-3, initial_accumulator=1e-6):
    r"""Yogi: Adam with an additive change of the second moment, towards the squared gradient.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow v - (1 - \beta_2) \operatorname{sign}(v - g^2)\, g^2$$

    $$\hat{m} = \frac{m}{1 - \beta_1^t} \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t} \qquad
    p \leftarrow p - \eta \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon}$$

    Where gradients become small or sparse, $v$ falls slowly, so steps do not suddenly grow, as
    those of Adam can. In exchange it is slow to forget large gradients. Follows `optax.yogi`: both
    states start from 1e-6, and the bias correction treats them as if they started from 0. The large
    $\epsilon$ comes from the paper and is part of the method.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: $\beta_2$; $v$ changes by the share $1 - \beta_2$ of the squared gradient.
        eps: $\epsilon$, added to the root of the corrected $\hat{v}$.
        initial_accumulator: value of `m` and `v` at the start.

    State variables: `m`, the running mean of the gradient; `v`, the second moment.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import yogi
        >>> weights = np.ones(2, np.float32)
        >>> learner = yogi([weights], lr=0.1)
        >>> for gradient in ([1, 1], [0.1, 0.01], [0.1, 0.01]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.826 0.833]
        [0.763 0.78 ]

    References:
        Zaheer et al., [Adaptive Methods for Nonconvex
        Optimization](https://papers.nips.cc/paper/8186-adaptive-methods-for-nonconvex-optimization),
        2018.
    """
    m, v = state("m", init=initial_accumulator), state("v", init=initial_accumulator)
    square = let("square", g**2)
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, v - (1 - beta2) * sign(v - square) * square)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    return assign(p, p - lr * m_hat / (sqrt(v_hat) + eps))
