"""AdamS of Zhang, Wang and Chen: Adam whose momentum is its own normaliser."""

from learnerdsl import assign, rule, sqrt, state


@rule
def adams_momentum(p, g, lr=1e-3, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0):
    r"""AdamS with momentum as normaliser: the adaptive steps of Adam with one state.

    $$d = \sqrt{\beta_2 m^2 + (1 - \beta_2)\, g^2} + \epsilon \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g$$

    $$p \leftarrow (1 - \eta \lambda) p - \eta \frac{m}{d}$$

    with the old $m$ in $d$. Needs half the memory of AdamW, and takes over its learning rate and
    decay. For transformers, whose mean gradient tells the size of the gradients to come; where
    gradients are mostly noise it does not, and steps are longer than those of AdamW. Nothing is
    bias-corrected, so the first steps are about half as long: at defaults 0.45 times the rate.
    `adams` is another rule, with a stable weight decay. Follows the paper.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the squared momentum in the normaliser.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the running mean of the gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adams_momentum
        >>> weights = np.ones(3, np.float32)
        >>> learner = adams_momentum([weights], lr=0.1)
        >>> for _ in range(2):
        ...     _ = learner.update([np.array([3, 0, -400], np.float32)])
        ...     print(weights.round(3))
        [0.955 1.    1.045]
        [0.877 1.    1.123]

    References:
        Zhang, Wang and Chen, [AdamS: Momentum Itself Can Be A Normalizer for LLM Pretraining and
        Post-training](https://arxiv.org/abs/2505.16363), 2025.
    """
    m = state("m")
    d = sqrt(beta2 * m**2 + (1 - beta2) * g**2) + eps
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    return assign(p, (1 - lr * weight_decay) * p - lr * m_new / d)
