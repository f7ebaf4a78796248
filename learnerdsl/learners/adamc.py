"""AdamC: AdamW whose weight decay is corrected by the schedule of the learning rate."""

from learnerdsl import assign, rule, sqrt, state, step


@rule
def adamc(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2, max_lr=1e-3):
    r"""AdamC: AdamW with a corrected decay, which falls with the square of the learning rate.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$p \leftarrow \left( 1 - \frac{\eta^2}{\eta_{\max}} \lambda \right) p \qquad
    p \leftarrow p - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$

    For weights that a normalisation layer follows: AdamW balances the ratio of their gradients to
    their norm only while the rate is constant, and lets gradients grow as the rate falls. Leave
    other weights to `adamw`. Follows `corrected_weight_decay` in timm; without a schedule it is
    AdamW.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $v$.
        weight_decay: decoupled weight decay $\lambda$ at the largest rate.
        max_lr: the largest rate $\eta_{\max}$ of the schedule.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adamc
        >>> weights = np.ones(3, np.float32)
        >>> learner = adamc([weights], lr=0.05, max_lr=0.1, weight_decay=1.0)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.925, 0.925, 0.925], dtype=float32)

    References:
        Defazio, [Why Gradients Rapidly Increase Near the End of
        Training](https://arxiv.org/abs/2506.02285), 2025.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    decay = lr**2 / max_lr * weight_decay
    return assign(p, (1 - decay) * p - lr * m_hat / (sqrt(v_hat) + eps))
