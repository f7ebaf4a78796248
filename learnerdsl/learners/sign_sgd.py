"""Sign SGD and Signum: the sign of the gradient, or of its running mean."""

from learnerdsl import assign, rule, sign, state


@rule
def sign_sgd(p, g, lr=1e-3):
    r"""SignSGD: a step of the same length for every element, against the gradient.

    $$p \leftarrow p - \eta \operatorname{sgn}(g)$$

    Needs no memory for states and ignores the size of gradients, so one learning rate suits all
    layers. Noise does not average out, so batches have to be large. Follows `optax.sign_sgd`:
    elements with a gradient of 0 do not move.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, the length of a step.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import sign_sgd
        >>> weights = np.ones(3, np.float32)
        >>> learner = sign_sgd([weights], lr=0.1)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.9, 0.9, 1.1], dtype=float32)

    References:
        Bernstein et al., [signSGD: Compressed Optimisation for Non-Convex
        Problems](https://arxiv.org/abs/1802.04434), 2018.
    """
    return assign(p, p - lr * sign(g))


@rule
def signum(p, g, lr=1e-3, beta=0.9):
    r"""Signum: the sign of a running mean of the gradient.

    $$m \leftarrow \beta m + (1 - \beta)\, g \qquad
    p \leftarrow p - \eta \operatorname{sgn}(m)$$

    SignSGD with momentum, which tolerates smaller batches. Steps never get shorter by themselves,
    so the learning rate has to fall in the end. Follows `optax.signum`: the gradient has the weight
    $1 - \beta$, which matters only if $\beta$ changes.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, the length of a step.
        beta: share $\beta$ of the mean gradient that is kept.

    State variables: `m`, the running mean of the gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import signum
        >>> weights = np.ones(2, np.float32)
        >>> learner = signum([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, -0.5], [1, -0.5]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8 0.8]
        [0.7 0.9]

    References:
        Bernstein et al., [signSGD: Compressed Optimisation for Non-Convex
        Problems](https://arxiv.org/abs/1802.04434), 2018.
    """
    m = state("m")
    m_new = assign(m, beta * m + (1 - beta) * g)
    return assign(p, p - lr * sign(m_new))
