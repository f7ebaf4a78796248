"""AdamG: Adam with a numerator function that sets the learning rate."""

from learnerdsl import assign, minimum, rule, sqrt, state, step


@rule
def adamg(
    p,
    g,
    lr=1.0,
    beta1=0.95,
    beta2=0.999,
    beta3=0.95,
    scale=0.2,
    power=0.24,
    eps=1e-8,
    weight_decay=0.0,
):
    r"""AdamG: Adam without a learning rate to tune.

    $$g \leftarrow g + \lambda p \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    r \leftarrow \beta_3 r + (1 - \beta_3)\, a v^q \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, r g$$

    $$p \leftarrow p - \min \left( \eta, \frac{1}{\sqrt{t}} \right)
    \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$

    The numerator $r$ grows with the size of the gradients seen so far, the "golden step size" that
    the paper derives for a rule without tuning. The power is not vectorised, so the rule is slower
    than Adam on a CPU. Follows `pytorch_optimizer.AdamG`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$; 1 unless a schedule lowers it.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        beta3: share $\beta_3$ of the mean numerator that is kept.
        scale: factor $a$ of the numerator.
        power: exponent $q$ of the numerator.
        eps: $\epsilon$, added to the root of the corrected $v$.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `m` and `v`, the running means of the scaled gradient and of the squared
    gradient; `r`, that of the numerator.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adamg
        >>> weights = np.ones(3, np.float32)
        >>> learner = adamg([weights])
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(4)
        array([0.9981, 0.9981, 0.9981], dtype=float32)

    References:
        Pan et al., [Towards Stability of Parameter-free
        Optimization](https://arxiv.org/abs/2405.04376), 2024.
    """
    m, v, r = state("m"), state("v"), state("r")
    g = g + weight_decay * p
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    r_new = assign(r, beta3 * r + (1 - beta3) * scale * v_new**power)
    m_new = assign(m, beta1 * m + (1 - beta1) * r_new * g)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    return assign(p, p - minimum(lr, 1 / sqrt(step)) * m_hat / (sqrt(v_hat) + eps))
