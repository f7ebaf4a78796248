"""AccSGD: accelerated SGD, as a case of quasi-hyperbolic momentum."""

from learnerdsl import assign, rule, state


@rule
def accsgd(p, g, lr=1e-3, kappa=1000.0, xi=10.0, constant=0.7, weight_decay=0.0):
    r"""AccSGD: accelerated SGD, a mixture of a long and a short step.

    $$g \leftarrow g + \lambda p \qquad
    \beta = \frac{\xi c^2}{\kappa} \qquad \zeta = \frac{c}{c + \beta}$$

    $$b \leftarrow (1 - \beta)\, b + \beta \left(p - \frac{\eta \kappa}{c}\, g\right) \qquad
    p \leftarrow \zeta\, (p - \eta g) + (1 - \zeta)\, b$$

    Provably faster than momentum on noisy least squares, at the price of three hyperparameters to
    tune. Follows `pytorch_optimizer.AccSGD`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        kappa: $\kappa$, ratio of the long step to the short one.
        xi: $\xi$, statistical advantage, at most the root of $\kappa$.
        constant: safety factor $c$, below 1.
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
