"""RMSprop with momentum, and with a running variance in place of the mean square."""

from learnerdsl import assign, maximum, rule, sqrt, state


@rule
def rmsprop_momentum(p, g, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0.9):
    r"""RMSprop with momentum on the divided gradients.

    $$v \leftarrow \alpha v + (1 - \alpha)\, g^2 \qquad
    b \leftarrow \mu b + \frac{g}{\sqrt{v} + \epsilon} \qquad
    p \leftarrow p - \eta b$$

    Often used for convolutional networks such as EfficientNet; the effective step is
    $\eta / (1 - \mu)$, so the learning rate has to be smaller than that of `rmsprop`. Follows
    `torch.optim.RMSprop` with a momentum: $\epsilon$ is outside the root, the learning rate is
    outside the buffer.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        alpha: share $\alpha$ of the running mean that is kept.
        eps: $\epsilon$, added to the root.
        momentum: share $\mu$ of the buffer that is kept.

    State variables: `v`, the running mean of squared gradients; `b`, the momentum buffer.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import rmsprop_momentum
        >>> weights = np.ones(2, np.float32)
        >>> learner = rmsprop_momentum([weights], lr=0.01)
        >>> for gradient in ([10, 0.1], [10, 0.1], [0, 0]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.739 0.739]
        [0.594 0.594]

    References:
        Hinton, [Neural Networks for Machine Learning, lecture
        6e](https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf), 2012.
    """
    v, b = state("v"), state("b")
    v_new = assign(v, alpha * v + (1 - alpha) * g**2)
    b_new = assign(b, momentum * b + g / (sqrt(v_new) + eps))
    return assign(p, p - lr * b_new)


@rule
def rmsprop_centered(p, g, lr=1e-2, alpha=0.99, eps=1e-8):
    r"""Centered RMSprop: divides the gradient by a running standard deviation of itself.

    $$v \leftarrow \alpha v + (1 - \alpha)\, g^2 \qquad
    a \leftarrow \alpha a + (1 - \alpha)\, g \qquad
    p \leftarrow p - \eta \frac{g}{\sqrt{v - a^2} + \epsilon}$$

    Takes longer steps where gradients are steady, which makes it faster than `rmsprop` but less
    safe, because the divisor can come close to 0. Follows `torch.optim.RMSprop(centered=True)`,
    except that a variance that rounding makes negative counts as 0 here and gives NaN there.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        alpha: share $\alpha$ of the running means that is kept.
        eps: $\epsilon$, added to the root.

    State variables: `v` and `a`, the running means of the squared gradient and of the gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import rmsprop_centered
        >>> weights = np.ones(2, np.float32)
        >>> learner = rmsprop_centered([weights], lr=0.01)
        >>> for gradient in ([1, 1], [1, -1], [1, 1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.899 0.899]
        [0.828 0.97 ]
        [0.769 0.912]

    References:
        Graves, [Generating Sequences With Recurrent Neural
        Networks](https://arxiv.org/abs/1308.0850), 2013.
    """
    v, a = state("v"), state("a")
    v_new = assign(v, alpha * v + (1 - alpha) * g**2)
    a_new = assign(a, alpha * a + (1 - alpha) * g)
    deviation = sqrt(maximum(v_new - a_new**2, 0))
    return assign(p, p - lr * g / (deviation + eps))
