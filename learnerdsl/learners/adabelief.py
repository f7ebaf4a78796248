"""AdaBelief: Adam divided by how far the gradient is from its running mean."""

from learnerdsl import assign, rule, sqrt, state, step


@rule
def adabelief(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-16, eps_root=1e-16):
    r"""AdaBelief: Adam that divides by the deviation of the gradient from its running mean.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    s \leftarrow \beta_2 s + (1 - \beta_2)(g - m)^2 + \bar\epsilon$$

    $$\hat{m} = \frac{m}{1 - \beta_1^t} \qquad
    \hat{s} = \frac{s}{1 - \beta_2^t} \qquad
    p \leftarrow p - \eta \frac{\hat{m}}{\sqrt{\hat{s}} + \epsilon}$$

    with the new $m$ in $s$. Where the gradient hardly changes, steps are many times longer than
    $\eta$: good along straight valleys, risky where gradients vanish. $\bar\epsilon$ limits their
    length. Follows `optax.adabelief`: $\bar\epsilon$ is added to $s$ at every step, so it adds up
    to $\bar\epsilon / (1 - \beta_2)$. (The original code and timm have one $\epsilon$ for both.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared deviation that is kept.
        eps: $\epsilon$, added to the root of the corrected $\hat{s}$.
        eps_root: $\bar\epsilon$, added to $s$ at every step.

    State variables: `m`, the running mean of the gradient; `s`, that of the squared deviation from
    `m`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adabelief
        >>> weights = np.ones(2, np.float32)
        >>> learner = adabelief([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, -1], [1, 1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.889 0.889]
        [0.772 0.894]
        [0.65  0.858]

    References:
        Zhuang et al., [AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed
        Gradients](https://arxiv.org/abs/2010.07468), 2020.
    """
    m, s = state("m"), state("s")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    s_new = assign(s, beta2 * s + (1 - beta2) * (g - m_new) ** 2 + eps_root)
    m_hat = m_new / (1 - beta1**step)
    s_hat = s_new / (1 - beta2**step)
    return assign(p, p - lr * m_hat / (sqrt(s_hat) + eps))
