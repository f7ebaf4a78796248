"""Cautious AdamW: AdamW without the steps that go against the gradient."""

from learnerdsl import assign, let, maximum, mean, rule, sqrt, state, step, where


@rule
def cautious_adamw(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2):
    r"""Cautious AdamW: AdamW that moves only the elements on which momentum and gradient agree.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \phi = [m g > 0]$$

    $$p \leftarrow (1 - \eta \lambda)\, p \qquad
    p \leftarrow p - \eta \frac{\phi}{\max(\bar{\phi}, 10^{-3})}
    \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$

    with the share $\bar{\phi}$ of elements that agree in a tensor: the elements that move go
    further, to make up for the others. Trains transformers a little faster than AdamW, at the cost
    of one more pass over the moments. Follows `timm.optim.AdamWLegacy(caution=True)`; others divide
    by $\phi$'s sum plus 1.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $v$.
        weight_decay: decoupled weight decay $\lambda$, of all elements.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import cautious_adamw
        >>> weights = np.ones(2, np.float32)
        >>> learner = cautious_adamw([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, -0.5]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.899 0.899]
        [0.698 0.898]

    References:
        Liang et al., [Cautious Optimizers: Improving Training with One Line of
        Code](https://arxiv.org/abs/2411.16085), 2024.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    agrees = where(m_new * g > 0, 1, 0)
    share = let("share", maximum(mean(agrees), 1e-3))
    u = m_new / (1 - beta1**step) / (sqrt(v_new / (1 - beta2**step)) + eps)
    return assign(p, (1 - lr * weight_decay) * p - lr / share * agrees * u)
