"""SGD-SaI: momentum with a learning rate per tensor, set once from the first gradient."""

from learnerdsl import assign, rule, size, sqrt, state, sum, where


@rule
def sgd_sai(p, g, lr=1e-2, momentum=0.9, eps=1e-8, weight_decay=1e-2):
    r"""SGD-SaI: momentum with learning rates scaled at initialization.

    $$b \leftarrow \mu b + (1 - \mu)\, g \qquad
    p \leftarrow p - \eta\, (r b + \lambda p) \qquad
    r = \frac{\lVert g_1 \rVert}{\operatorname{std}(g_1) + \epsilon}$$

    with $r = \lVert g_1 \rVert$ where all elements of the first gradient $g_1$ of a tensor are
    equal (to rounding) or there is only one. Needs half the memory of Adam. The first gradient
    fixes the ratio for good, so it should come from a typical batch. Follows
    `pytorch_optimizer.SGDSaI`, except that the latter has $r = \lVert g_1 \rVert$ for all tensors
    of one axis. (The authors' code also divides $r$ by its largest value, and starts $b$ from the
    first gradient.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean gradient that is kept.
        eps: $\epsilon$, added to the deviation; later changes of it have no effect.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `b`, the running mean of gradients; `ratio`, the $r$ of the tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import sgd_sai
        >>> weights = np.ones(3, np.float32)
        >>> learner = sgd_sai([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.982, 0.982, 0.982], dtype=float32)

    References:
        Xu et al., [No More Adam: Learning Rate Scaling at Initialization is All You
        Need](https://arxiv.org/abs/2412.11768), 2024.
    """
    squares, n = sum(g**2), size(p)
    spread = squares - sum(g) ** 2 / n
    snr = sqrt(squares) / (sqrt(spread / (n - 1)) + eps)
    alike = (n < 2) | (spread <= 1e-12 * squares)
    b = state("b")
    ratio = state("ratio", init=where(alike, sqrt(squares), snr), shape="tensor")
    b_new = assign(b, momentum * b + (1 - momentum) * g)
    ratio_new = assign(ratio, ratio)
    return assign(p, p - lr * (ratio_new * b_new + weight_decay * p))
