"""Stochastic gradient descent: plain, with momentum, with Nesterov momentum."""

from learnerdsl import assign, rule, state, step, where


@rule
def sgd(p, g, lr=1e-3, weight_decay=0.0):
    r"""Stochastic gradient descent: a step against the gradient.

    $$g \leftarrow g + \lambda p \qquad p \leftarrow p - \eta g$$

    Needs no memory for states and generalises well, but one learning rate has to suit all
    parameters, so it is slow where curvatures differ a lot. Weight decay is coupled (added to the
    gradient), as in `torch.optim.SGD`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import sgd
        >>> weights = np.ones(3, np.float32)
        >>> learner = sgd([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        Robbins and Monro, [A Stochastic Approximation
        Method](https://doi.org/10.1214/aoms/1177729586), 1951.
    """
    g = g + weight_decay * p
    return assign(p, p - lr * g)


@rule
def momentum_sgd(p, g, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
    r"""Stochastic gradient descent with momentum (the heavy ball).

    $$g \leftarrow g + \lambda p \qquad
    b \leftarrow \mu b + (1 - \tau_t)\, g \qquad
    p \leftarrow p - \eta b$$

    with $\tau_1 = 0$ and $\tau_t = \tau$ afterwards. Fast along long flat valleys and robust to
    noise, but it overshoots where the gradient changes its direction. Follows `torch.optim.SGD`
    with a momentum above 0: the first buffer is the gradient whatever the dampening, the learning
    rate is outside the buffer, weight decay is coupled. The effective step is
    $\eta (1 - \tau) / (1 - \mu)$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the buffer that is kept.
        dampening: $\tau$, the share of each gradient after the first that is left out.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `b`, the momentum buffer.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import momentum_sgd
        >>> weights = np.ones(3, np.float32)
        >>> learner = momentum_sgd([weights], lr=0.1)
        >>> [learner.update([weights.copy()]) for _ in range(2)]
        [True, True]
        >>> weights.round(3)
        array([0.72, 0.72, 0.72], dtype=float32)

    References:
        Polyak, [Some methods of speeding up the convergence of iteration
        methods](https://doi.org/10.1016/0041-5553(64)90137-5), 1964.
    """
    b = state("b")
    g = g + weight_decay * p
    b_new = assign(b, momentum * b + where(step > 1, 1 - dampening, 1) * g)
    return assign(p, p - lr * b_new)


@rule
def nesterov(p, g, lr=1e-3, momentum=0.9, weight_decay=0.0):
    r"""Stochastic gradient descent with Nesterov momentum.

    $$g \leftarrow g + \lambda p \qquad
    b \leftarrow \mu b + g \qquad
    p \leftarrow p - \eta (g + \mu b)$$

    Looks ahead along the buffer and so brakes earlier than the heavy ball. The gain is small when
    gradients are noisy. Follows `torch.optim.SGD(nesterov=True)`: the stored parameter is the
    look-ahead point, the learning rate is outside the buffer, weight decay is coupled.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the buffer that is kept.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `b`, the momentum buffer.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import nesterov
        >>> weights = np.ones(3, np.float32)
        >>> learner = nesterov([weights], lr=0.1)
        >>> [learner.update([weights.copy()]) for _ in range(2)]
        [True, True]
        >>> weights.round(3)
        array([0.575, 0.575, 0.575], dtype=float32)

    References:
        Sutskever et al., [On the importance of initialization and momentum in deep
        learning](https://proceedings.mlr.press/v28/sutskever13.html), 2013.
    """
    b = state("b")
    g = g + weight_decay * p
    b_new = assign(b, momentum * b + g)
    return assign(p, p - lr * (g + momentum * b_new))
