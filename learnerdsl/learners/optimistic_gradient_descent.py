"""Optimistic gradient descent, for games of minimum and maximum."""

from learnerdsl import assign, rule, state


@rule
def optimistic_gradient_descent(p, g, lr=1e-3, alpha=1.0, beta=1.0):
    r"""Optimistic gradient descent: a step against the gradient that is expected next.

    $$p \leftarrow p - \eta \left((\alpha + \beta)\, g - \beta g'\right) \qquad g' \leftarrow g$$

    with $g' = g$ at the first step. Converges in games of minimum and maximum, such as adversarial
    training, where plain gradient descent circles; elsewhere the difference only adds noise.
    Follows `optax.optimistic_gradient_descent`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        alpha: $\alpha$, weight of the gradient.
        beta: $\beta$, weight of the change since the last gradient.

    State variables: `last`, the last gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import optimistic_gradient_descent
        >>> weights = np.ones(2, np.float32)
        >>> learner = optimistic_gradient_descent([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, -1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8 1.2]

    References:
        Mokhtari et al., [A Unified Analysis of Extra-gradient and Optimistic Gradient Methods
        for Saddle Point Problems](https://arxiv.org/abs/1901.08511), 2020.
    """
    last = state("last", init=g)
    last_new = assign(last, g)
    return assign(p, p - lr * ((alpha + beta) * last_new - beta * last))
