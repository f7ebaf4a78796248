"""Gravity: momentum of gradients that are damped the more the larger they are."""

from learnerdsl import abs, assign, equal, let, max, normal, rule, state, step, where


@rule
def gravity(p, g, lr=1e-2, alpha=0.01, beta=0.9):
    r"""Gravity: momentum of gradients that are damped the more the larger they are.

    $$\zeta = \frac{g}{1 + (g \max \lvert g \rvert)^2} \qquad
    \hat\beta = \frac{\beta t + 1}{t + 2} \qquad
    V \leftarrow \hat\beta V + (1 - \hat\beta)\, \zeta \qquad
    p \leftarrow p - \eta V$$

    with the maximum over one tensor, and $V$ normally distributed with standard deviation
    $\alpha / \eta$ before the first step. Takes short steps where gradients are very large or very
    small. The random start moves weights by about $0.6 \alpha$; if $\eta$ is 0 at first, there is
    no random start. Follows `pytorch_optimizer.Gravity` apart from the random numbers.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        alpha: standard deviation $\alpha$ of a first step; 0 starts from $V = 0$.
        beta: share $\beta$ of $V$ that is kept in the long run; at first about half of $V$ is kept.

    State variables: `V`, the velocity.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import gravity
        >>> weights = np.ones(3, np.float32)
        >>> learner = gravity([weights], lr=0.1, alpha=0.0)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([1.   , 0.998, 1.   ], dtype=float32)

    References:
        Bahrami and Pourmohammadi Zadeh, [Gravity Optimizer: a Kinematic Approach on Optimization
        in Deep Learning](https://arxiv.org/abs/2101.09192), 2021.
    """
    V = state("V")
    deviation = let("deviation", where(equal(lr, 0), 0, alpha / lr))
    old = where(equal(step, 1), deviation * normal(), V)
    b = (beta * step + 1) / (step + 2)
    zeta = g / (1 + (g * max(abs(g))) ** 2)
    V_new = assign(V, b * old + (1 - b) * zeta)
    return assign(p, p - lr * V_new)
