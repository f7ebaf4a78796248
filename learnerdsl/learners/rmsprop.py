"""RMSprop: a learning rate per element, from a running mean of squared gradients."""

from learnerdsl import assign, rule, sqrt, state


@rule
def rmsprop(p, g, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0):
    r"""RMSprop: divides the gradient by a running root mean square of itself.

    $$g \leftarrow g + \lambda p \qquad
    v \leftarrow \alpha v + (1 - \alpha)\, g^2 \qquad
    p \leftarrow p - \eta \frac{g}{\sqrt{v} + \epsilon}$$

    Good for recurrent networks and moving targets. There is no bias correction, so the first steps
    are $1/\sqrt{1 - \alpha}$ times too long. Follows `torch.optim.RMSprop`: $\epsilon$ is outside
    the root and the mean starts at 0. (optax and Keras put it inside, which differs where gradients
    are small.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        alpha: share $\alpha$ of the running mean that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `v`, the running mean of squared gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import rmsprop
        >>> weights = np.ones(2, np.float32)
        >>> learner = rmsprop([weights], lr=0.01)
        >>> for gradient in ([10, 0.1], [10, 0.1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.829 0.829]

    References:
        Hinton, [Neural Networks for Machine Learning, lecture
        6e](https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf), 2012.
    """
    v = state("v")
    g = g + weight_decay * p
    v_new = assign(v, alpha * v + (1 - alpha) * g**2)
    return assign(p, p - lr * g / (sqrt(v_new) + eps))


@rule
def rmsprop_optax(p, g, lr=1e-3, alpha=0.9, eps=1e-8):
    r"""RMSprop as in optax: epsilon is inside the root.

    $$v \leftarrow \alpha v + (1 - \alpha)\, g^2 \qquad
    p \leftarrow p - \eta \frac{g}{\sqrt{v + \epsilon}}$$

    Equals `rmsprop` where gradients are far above $\sqrt{\epsilon}$ (1e-4 by default) and takes
    shorter steps below. Follows `optax.rmsprop` and Keras, whose $\epsilon$ is 1e-7.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        alpha: share $\alpha$ of the running mean that is kept.
        eps: $\epsilon$, added under the root.

    State variables: `v`, the running mean of squared gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import rmsprop_optax
        >>> weights = np.ones(3, np.float32)
        >>> learner = rmsprop_optax([weights], lr=0.01)
        >>> learner.update([np.array([10, 1e-4, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.968, 0.99 , 1.032], dtype=float32)

    References:
        Hinton, [Neural Networks for Machine Learning, lecture
        6e](https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf), 2012.
    """
    v = state("v")
    v_new = assign(v, alpha * v + (1 - alpha) * g**2)
    return assign(p, p - lr * g / sqrt(v_new + eps))
