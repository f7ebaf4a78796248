"""ACProp: AdaBelief without momentum, divided by the second moment of the step before."""

from learnerdsl import assign, combine, maximum, rule, sqrt, state, step, where


@rule
def acprop(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-16, eps_root=1e-16, weight_decay=0.0):
    r"""ACProp: divides each gradient by the deviation that was estimated before it.

    $$\hat{s} = \begin{cases} 1 & t = 1 \\ s / (1 - \beta_2^{t-1}) & t > 1 \end{cases} \qquad
    p \leftarrow p - \eta \left( \frac{g}{\sqrt{\hat{s}} + \epsilon} + \lambda p \right)$$

    $$s \leftarrow \beta_2 s + (1 - \beta_2)(g - m)^2 + \bar\epsilon \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g$$

    with the old $m$ in $s$. The divisor does not depend on the newest gradient, so the expected
    step is the true gradient divided by it; the proof of convergence rests on that. Nothing limits
    the length of a step: clip gradients that have outliers. There is no momentum. Follows the code
    of `optax.contrib.acprop`; its documentation has the new $m$ in $s$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared deviation that is kept.
        eps: $\epsilon$, added to the root of $\hat{s}$.
        eps_root: $\bar\epsilon$, added to $s$ at every step.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the running mean of the gradient; `s`, that of the squared deviation from
    `m`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import acprop
        >>> weights = np.ones(2, np.float32)
        >>> learner = acprop([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, -1], [1, 1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8 1. ]
        [0.695 0.905]

    References:
        Zhuang et al., [Momentum Centering and Asynchronous Update for Adaptive Gradient
        Methods](https://arxiv.org/abs/2110.05454), 2021.
    """
    m, s = state("m"), state("s")
    s_hat = where(step > 1, s / (1 - beta2 ** maximum(step - 1, 1)), 1)
    p_new = assign(p, p - lr * (g / (sqrt(s_hat) + eps) + weight_decay * p))
    s_new = assign(s, beta2 * s + (1 - beta2) * (g - m) ** 2 + eps_root)
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    return combine([p_new, s_new, m_new])
