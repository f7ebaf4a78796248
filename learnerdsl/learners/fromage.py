"""Fromage: steps proportional to the weights of each tensor, without momentum."""

from learnerdsl import assign, equal, let, maximum, norm, rule, sqrt, where


@rule
def fromage(p, g, lr=1e-2, min_norm=1e-6):
    r"""Fromage: Frobenius matched gradient descent.

    $$r = \frac{\max(\lVert p \rVert, \nu)}{\max(\lVert g \rVert, \nu)} \qquad
    p \leftarrow \frac{p - \eta r g}{\sqrt{1 + \eta^2}}$$

    with the norms over one tensor. Every step turns a tensor by the same small angle, whatever the
    size of its gradient, and the division keeps its norm from growing, so one learning rate suits
    many networks. Use another rule for tensors whose norm has a meaning, such as gains. Follows
    `optax.fromage`, which has a least norm $\nu$ where the paper has none. With $\nu = 0$ the ratio
    $r$ is 1 where a norm is 0.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, the ratio of a step to the weights.
        min_norm: $\nu$, the least norm of weights and gradient that counts.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import fromage
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = fromage([weights], lr=0.1)
        >>> learner.update([np.array([0.0, 2.0], np.float32)])
        True
        >>> weights.round(3)
        array([2.985, 3.483], dtype=float32)

    References:
        Bernstein et al., [On the distance between two neural networks and the stability of
        learning](https://arxiv.org/abs/2002.03432), 2020.
    """
    p_norm, g_norm = maximum(norm(p), min_norm), maximum(norm(g), min_norm)
    trust = let("trust", where(equal(p_norm, 0) | equal(g_norm, 0), 1, p_norm / g_norm))
    return assign(p, (p - lr * trust * g) / sqrt(1 + lr**2))
