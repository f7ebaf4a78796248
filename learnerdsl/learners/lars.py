"""LARS: momentum with a learning rate for each tensor, from the norms of weights and gradient."""

from learnerdsl import assign, equal, let, minimum, norm, rule, state, step, where


@rule
def lars(p, g, lr=1.0, momentum=0.9, weight_decay=0.0, trust_coefficient=1e-3, eps=0.0):
    r"""LARS: layer-wise adaptive rate scaling, momentum for very large batches.

    $$g \leftarrow g + \lambda p \qquad
    r = \tau \frac{\lVert p \rVert}{\lVert g \rVert + \epsilon} \qquad
    b \leftarrow \mu b - \eta r g \qquad
    p \leftarrow p + b$$

    with the norms over one tensor, and $r = 1$ where one of them is 0. Keeps steps proportional to
    the weights of each layer, which lets convolutional networks train with batches of many
    thousands. Use another rule for biases and gains, whose norms mean little. Follows `optax.lars`:
    the norm is that of the decayed gradient (the paper divides by
    $\lVert g \rVert + \lambda \lVert p \rVert$), and the learning rate is inside the buffer, so a
    change of it affects only later gradients.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$; the step is about `lr * trust_coefficient` of the weights.
        momentum: share $\mu$ of the buffer that is kept.
        weight_decay: coefficient $\lambda$ of the L2 penalty.
        trust_coefficient: $\tau$, the ratio of a step to the weights at a learning rate of 1.
        eps: $\epsilon$, added to the norm of the gradient.

    State variables: `b`, the buffer of steps.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import lars
        >>> weights = np.ones(3, np.float32)
        >>> learner = lars([weights], lr=10.0)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.99, 0.99, 0.99], dtype=float32)

    References:
        You et al., [Large Batch Training of Convolutional
        Networks](https://arxiv.org/abs/1708.03888), 2017.
    """
    b = state("b")
    g = g + weight_decay * p
    p_norm, g_norm = norm(p), norm(g)
    ratio = trust_coefficient * p_norm / (g_norm + eps)
    trust = let("trust", where(equal(p_norm, 0) | equal(g_norm, 0), 1, ratio))
    b_new = assign(b, momentum * b - lr * trust * g)
    return assign(p, p + b_new)


@rule
def lars_timm(
    p,
    g,
    lr=1.0,
    momentum=0.9,
    dampening=0.0,
    weight_decay=0.0,
    trust_coefficient=1e-3,
    eps=1e-8,
    trust_clip=False,
    always_adapt=False,
):
    r"""LARS with the learning rate outside the buffer; LARC with its ratio clipped.

    $$r = \tau \frac{\lVert p \rVert}
    {\lVert g \rVert + \lambda \lVert p \rVert + \epsilon} \qquad
    b \leftarrow \mu b + (1 - \delta_t)\, r (g + \lambda p) \qquad
    p \leftarrow p - \eta b$$

    with the norms over one tensor, $r = 1$ where one of them is 0, $\delta_1 = 0$ and
    $\delta_t = \delta$ afterwards. For very large batches, like `lars`. Follows `timm.optim.Lars`:
    $r$ is the paper's, from the gradient without decay, and a change of the learning rate affects
    the whole buffer. Without weight decay there is no adaptation ($r = 1$) unless `always_adapt` is
    set, so biases and gains in a group with a decay of 0 are not adapted. LARC (`trust_clip`) takes
    $\min(r / \eta, 1)$ for $r$: the step is then never larger than that of plain momentum.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the buffer that is kept (0 in the constructor of timm, 0.9 in its
            factory).
        dampening: $\delta$, the share of each gradient after the first that is left out.
        weight_decay: coefficient $\lambda$ of the L2 penalty.
        trust_coefficient: $\tau$, the ratio of a step to the weights at a learning rate of 1.
        eps: $\epsilon$, added to the norms in the denominator.
        trust_clip: whether to clip the ratio as LARC does.
        always_adapt: whether to adapt without weight decay as well.

    State variables: `b`, the momentum buffer.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import lars_timm
        >>> weights = np.ones(3, np.float32)
        >>> learner = lars_timm([weights], lr=10.0, always_adapt=True)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.99, 0.99, 0.99], dtype=float32)

    References:
        You et al., [Large Batch Training of Convolutional
        Networks](https://arxiv.org/abs/1708.03888), 2017.
    """
    b = state("b")
    p_norm, g_norm = norm(p), norm(g)
    ratio = trust_coefficient * p_norm / (g_norm + weight_decay * p_norm + eps)
    trust = where(equal(p_norm, 0) | equal(g_norm, 0), 1, ratio)
    if trust_clip:
        trust = minimum(trust / lr, 1)
    if not always_adapt:
        trust = where(equal(weight_decay, 0), 1, trust)
    trust = let("trust", trust)
    keep = where(step > 1, 1 - dampening, 1)
    b_new = assign(b, momentum * b + keep * trust * (g + weight_decay * p))
    return assign(p, p - lr * b_new)
