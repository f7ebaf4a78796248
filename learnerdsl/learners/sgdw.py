"""Momentum with decoupled weight decay, and with the learning rate inside the buffer."""

from learnerdsl import assign, rule, state, step, where


@rule
def sgdw(p, g, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
    r"""SGDW: momentum with weight decay outside the buffer.

    $$b \leftarrow \mu b + (1 - \tau_t)\, g \qquad
    p \leftarrow p - \eta\, (b + \lambda p)$$

    with $\tau_1 = 0$ and $\tau_t = \tau$ afterwards. The decay acts at once and does not accumulate
    in the buffer, so the best $\lambda$ depends less on the momentum. Follows `timm.optim.SGDW`
    with a momentum above 0 (the decay is multiplied by the learning rate, the first buffer is the
    gradient).

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the buffer that is kept.
        dampening: $\tau$, the share of each gradient after the first that is left out.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `b`, the momentum buffer.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import sgdw
        >>> weights = np.ones(3, np.float32)
        >>> learner = sgdw([weights], lr=0.1, weight_decay=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.89, 0.89, 0.89], dtype=float32)

    References:
        Loshchilov and Hutter, [Decoupled Weight Decay
        Regularization](https://arxiv.org/abs/1711.05101), 2019.
    """
    b = state("b")
    b_new = assign(b, momentum * b + where(step > 1, 1 - dampening, 1) * g)
    return assign(p, p - lr * (b_new + weight_decay * p))


@rule
def sgd_keras(p, g, lr=1e-2, momentum=0.9, weight_decay=0.0):
    r"""Momentum as in Keras: the learning rate is inside the buffer.

    $$b \leftarrow \mu b - \eta g \qquad
    p \leftarrow p - \eta \lambda p + b$$

    The buffer is the step itself, so a change of the learning rate affects only later gradients. At
    a constant rate it equals `momentum_sgd`. Follows `keras.optimizers.SGD`, whose weight decay is
    decoupled (and whose default momentum is 0).

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the last step that is kept.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `b`, the step.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import sgd_keras
        >>> weights = np.ones(3, np.float32)
        >>> learner = sgd_keras([weights], lr=0.1)
        >>> [learner.update([weights.copy()]) for _ in range(2)]
        [True, True]
        >>> weights.round(3)
        array([0.72, 0.72, 0.72], dtype=float32)

    References:
        Sutskever et al., [On the importance of initialization and momentum in deep
        learning](https://proceedings.mlr.press/v28/sutskever13.html), 2013.
    """
    b = state("b")
    b_new = assign(b, momentum * b - lr * g)
    return assign(p, p - lr * weight_decay * p + b_new)
