"""Averaged stochastic gradient descent."""

from learnerdsl import assign, combine, equal, evaluate, maximum, rule, state, step, where


@rule
def asgd(p, g, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6):
    r"""Averaged SGD: falling learning rates, and an average of the parameters.

    $$p \leftarrow p - \eta_t (g + \lambda p) \qquad
    a \leftarrow a + \mu_t (p - a)$$

    $$\eta_{t+1} = \frac{\eta}{(1 + \lambda \eta t)^{\alpha}} \qquad
    \mu_{t+1} = \frac{1}{\max(1,\ t - t_0)}$$

    with $\eta_1 = \eta$ and $\mu_1 = 1$. The average cancels the noise of single steps, which is
    optimal for convex problems; `evaluation_parameters()` returns it. Follows `torch.optim.ASGD`:
    until step $t_0$ the average is the parameter itself, and the decay by $\lambda$ is part of the
    rule.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$ at the start.
        lambd: $\lambda$, both the weight decay and the speed with which the learning rate falls.
        alpha: $\alpha$, the power with which the learning rate falls.
        t0: $t_0$, the step after which averaging starts.

    State variables: `average`, the average of the parameters; `eta` and `mu`, the learning rate
    and the weight of the average for the next step.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import asgd
        >>> weights = np.ones(2, np.float32)
        >>> learner = asgd([weights], lr=0.1, t0=0.0)
        >>> for gradient in ([1, 1], [1, -1], [1, -1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8 1. ]
        [0.7 1.1]
        >>> learner.evaluation_parameters()[0].round(3)
        array([0.75, 1.05], dtype=float32)

    References:
        Polyak and Juditsky, [Acceleration of Stochastic Approximation by
        Averaging](https://doi.org/10.1137/0330046), 1992.
    """
    average = state("average")
    eta = state("eta", init=lr, shape="tensor")
    mu = state("mu", init=1.0, shape="tensor")
    p_new = assign(p, p - eta * (g + lambd * p))
    moved = where(equal(mu, 1), p_new, average + mu * (p_new - average))
    average_new = assign(average, moved)
    evaluate(average)
    eta_new = assign(eta, lr / (1 + lambd * lr * step) ** alpha)
    mu_new = assign(mu, 1 / maximum(1, step - t0))
    return combine([average_new, eta_new, mu_new])
