"""Lion: the sign of a momentum, a rule found by program search."""

from learnerdsl import assign, combine, rule, sign, state


@rule
def lion(p, g, lr=1e-4, beta1=0.9, beta2=0.99, weight_decay=0.0):
    r"""Lion: steps of equal size, with the sign of a momentum.

    $$c = \beta_1 m + (1 - \beta_1)\, g \qquad
    p \leftarrow p - \eta \left( \operatorname{sign}(c) + \lambda p \right) \qquad
    m \leftarrow \beta_2 m + (1 - \beta_2)\, g$$

    Needs half the memory of Adam and works well with large batches. With small batches it is noisy,
    because every element moves by $\eta$ however small its gradient is. Use a learning rate 3 to 10
    times smaller than that of AdamW, and a weight decay larger by the same factor. Follows the
    paper and `optax.lion` (whose default decay is 1e-3): the decay is decoupled and multiplied by
    the learning rate; the sign of 0 is 0.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the momentum in the direction of the step.
        beta2: share $\beta_2$ of the momentum that is kept for the next update.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the momentum.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import lion
        >>> weights = np.ones(3, np.float32)
        >>> learner = lion([weights], lr=0.01)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.99, 0.99, 1.01], dtype=float32)

    References:
        Chen et al., [Symbolic Discovery of Optimization
        Algorithms](https://arxiv.org/abs/2302.06675), 2023.
    """
    m = state("m")
    c = beta1 * m + (1 - beta1) * g
    p_new = assign(p, p - lr * (sign(c) + weight_decay * p))
    m_new = assign(m, beta2 * m + (1 - beta2) * g)
    return combine([p_new, m_new])
