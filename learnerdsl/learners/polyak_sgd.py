"""Polyak SGD: a step size from the value of the loss."""

from learnerdsl import assign, extra, let, minimum, rule, sum, where

SMALLEST_SQUARE = 2.0**-52
"""Gradients with no larger squared norm do not move the parameters (machine epsilon, as optax)."""


@rule
def polyak_sgd(p, g, lr=1.0, scaling=1.0, f_min=0.0, eps=0.0):
    r"""Gradient descent with Polyak's step size (SPS).

    $$\gamma = \min\left(\frac{f - f^*}{\lVert g \rVert^2 + \epsilon},\ \eta\right) \qquad
    p \leftarrow p - s \gamma g$$

    where $f$ is the loss and the norm is that of the whole model; $\gamma = 0$ where the
    denominator is at most $2^{-52}$. Needs no learning rate if the least loss $f^*$ is known, which
    is 0 for models that can fit all their data; with a wrong $f^*$, or with a noisy loss that
    cannot reach it, the rule does not converge. Follows the formula of `optax.polyak_sgd`. (Its
    code gives the norm of $s g$ where the formula has $g$; for $s = 1$ they are the same.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: $\eta$, the largest step size.
        scaling: factor $s$ of the step size.
        f_min: $f^*$, the least loss.
        eps: $\epsilon$, added to the squared norm.

    `update` also takes the `loss` $f$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import polyak_sgd
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = polyak_sgd([weights])
        >>> learner.update([2 * weights], loss=25.0)
        True
        >>> weights
        array([1.5, 2. ], dtype=float32)

    References:
        Loizou et al., [Stochastic Polyak Step-size for SGD: An Adaptive Learning Rate for Fast
        Convergence](https://arxiv.org/abs/2002.10542), 2021.
    """
    loss = extra("loss")
    square = sum(g**2, over="model") + eps
    size = minimum((loss - f_min) / square, lr)
    gamma = let("gamma", where(square <= SMALLEST_SQUARE, 0, scaling * size))
    return assign(p, p - gamma * g)
