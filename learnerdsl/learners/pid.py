"""PID: momentum with a term for the change of the gradient, as in control theory."""

from learnerdsl import assign, rule, state


@rule
def pid(
    p, g, lr=1e-3, momentum=0.9, dampening=0.0, integral=5.0, derivative=10.0, weight_decay=0.0
):
    r"""PID: the gradient, its running sum and its running change.

    $$g \leftarrow g + \lambda p \qquad
    i \leftarrow \mu i + (1 - \tau)\, g \qquad
    d \leftarrow \mu d + (1 - \mu)(g - g')$$

    $$p \leftarrow p - \eta\, (g + K_i i + K_d d) \qquad g' \leftarrow g$$

    with $g' = g$ at the first step. The change of the gradient brakes before momentum overshoots.
    There are two more hyperparameters to tune. Follows `pytorch_optimizer.PID` with a momentum
    above 0; the effective step is about $\eta K_i / (1 - \mu)$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of both buffers that is kept.
        dampening: share $\tau$ of each gradient that is left out of the sum.
        integral: $K_i$, weight of the sum of gradients.
        derivative: $K_d$, weight of their change.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `i` and `d`, the running sum and the running change of the gradient; `last`,
    the last gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import pid
        >>> weights = np.ones(3, np.float32)
        >>> learner = pid([weights], lr=0.01)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.94, 0.94, 0.94], dtype=float32)

    References:
        An et al., [A PID Controller Approach for Stochastic Optimization of Deep
        Networks](http://www4.comp.polyu.edu.hk/~cslzhang/paper/CVPR18_PID.pdf), 2018.
    """
    g = g + weight_decay * p
    i, d, last = state("i"), state("d"), state("last", init=g)
    i_new = assign(i, momentum * i + (1 - dampening) * g)
    d_new = assign(d, momentum * d + (1 - momentum) * (g - last))
    last_new = assign(last, g)
    return assign(p, p - lr * (last_new + integral * i_new + derivative * d_new))
