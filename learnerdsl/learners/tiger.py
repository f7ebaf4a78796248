"""Tiger: the sign of the running mean, with decoupled weight decay."""

from learnerdsl import assign, rule, sign, state


@rule
def tiger(p, g, lr=1e-3, beta=0.965, weight_decay=1e-2):
    r"""Tiger: Signum with decoupled weight decay.

    $$m \leftarrow \beta m + (1 - \beta)\, g \qquad
    p \leftarrow p - \eta\, (\operatorname{sgn}(m) + \lambda p)$$

    Needs half the memory of Adam. Made for transformers; it equals Lion with two equal betas.
    Follows `pytorch_optimizer.Tiger`. The author also scales the learning rate by the size of each
    kind of weight; use groups with separate rates for that.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, the length of a step.
        beta: share $\beta$ of the mean gradient that is kept.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the running mean of the gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import tiger
        >>> weights = np.ones(3, np.float32)
        >>> learner = tiger([weights], lr=0.1)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.899, 0.899, 1.099], dtype=float32)

    References:
        Su, [Tiger: A Tight-fisted Optimizer](https://github.com/bojone/tiger), 2023.
    """
    m = state("m")
    m_new = assign(m, beta * m + (1 - beta) * g)
    return assign(p, p - lr * (sign(m_new) + weight_decay * p))
