"""Quasi-hyperbolic momentum, and accelerated SGD, which is a case of it."""

from learnerdsl import assign, rule, state


@rule
def qhm(p, g, lr=1.0, momentum=0.999, nu=0.7, weight_decay=0.0):
    r"""QHM: a mean of the plain step and the momentum step.

    $$g \leftarrow g + \lambda p \qquad
    b \leftarrow \mu b + (1 - \mu)\, g \qquad
    p \leftarrow p - \eta \left((1 - \nu)\, g + \nu b\right)$$

    Holds plain SGD ($\nu = 0$), momentum ($\nu = 1$) and Nesterov momentum ($\nu = \mu$); a long
    memory with some plain step is often better than each. As the authors' `qhoptim.pyt.QHM`, with
    the values they recommend; the buffer is a mean, so the learning rate is $1 / (1 - \mu)$ times
    that of `momentum_sgd`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the buffer that is kept.
        nu: $\nu$, weight of the buffer beside the gradient.
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


@rule
def accsgd(p, g, lr=1e-3, kappa=1000.0, xi=10.0, constant=0.7, weight_decay=0.0):
    r"""AccSGD: accelerated SGD, a long and a short step mixed.

    $$g \leftarrow g + \lambda p \qquad
    \beta = \frac{\xi c^2}{\kappa} \qquad \zeta = \frac{c}{c + \beta}$$

    $$b \leftarrow (1 - \beta)\, b + \beta \left(p - \frac{\eta \kappa}{c}\, g\right) \qquad
    p \leftarrow \zeta\, (p - \eta g) + (1 - \zeta)\, b$$

    Provably faster than momentum on least squares with noise; it has three numbers to tune. As
    `pytorch_optimizer.AccSGD`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        kappa: $\kappa$, ratio of the long step to the short one.
        xi: $\xi$, advantage in the statistics, at most the root of $\kappa$.
        constant: $c$ below 1, to stay safe.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `b`, the point that long steps lead to.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import accsgd
        >>> weights = np.ones(3, np.float32)
        >>> learner = accsgd([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.896, 0.896, 0.896], dtype=float32)

    References:
        Kidambi et al., [On the insufficiency of existing momentum schemes for Stochastic
        Optimization](https://arxiv.org/abs/1803.05591), 2018.
    """
    b = state("b", init=p)
    g = g + weight_decay * p
    beta = xi * constant**2 / kappa
    zeta = constant / (constant + beta)
    b_new = assign(b, b + beta * (p - b - lr * kappa / constant * g))
    return assign(p, b_new + zeta * (p - b_new - lr * g))
