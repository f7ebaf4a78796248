"""QHM: quasi-hyperbolic momentum, a mean of the gradient and of its running mean."""

from learnerdsl import assign, rule, state


@rule
def qhm(p, g, lr=1.0, momentum=0.999, nu=0.7, weight_decay=0.0):
    r"""QHM: a weighted mean of the plain step and the momentum step.

    $$g \leftarrow g + \lambda p \qquad
    b \leftarrow \mu b + (1 - \mu)\, g \qquad
    p \leftarrow p - \eta \left((1 - \nu)\, g + \nu b\right)$$

    Includes plain SGD ($\nu = 0$), momentum ($\nu = 1$) and Nesterov momentum ($\nu = \mu$). A long
    memory mixed with some of the plain step is often better than any of them. Follows the authors'
    `qhoptim.pyt.QHM`, with the values they recommend; the buffer is a mean, so the learning rate is
    $1 / (1 - \mu)$ times that of `momentum_sgd`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the buffer that is kept.
        nu: $\nu$, weight of the buffer; the gradient has the rest.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `b`, the running mean of gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import qhm
        >>> weights = np.ones(3, np.float32)
        >>> learner = qhm([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.97, 0.97, 0.97], dtype=float32)

    References:
        Ma and Yarats, [Quasi-hyperbolic momentum and Adam for deep
        learning](https://arxiv.org/abs/1810.06801), 2019.
    """
    b = state("b")
    g = g + weight_decay * p
    b_new = assign(b, momentum * b + (1 - momentum) * g)
    return assign(p, p - lr * ((1 - nu) * g + nu * b_new))
