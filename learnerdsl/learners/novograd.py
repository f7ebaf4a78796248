"""NovoGrad: momentum of gradients that are scaled to unit size, tensor by tensor."""

from learnerdsl import assign, equal, let, rule, sqrt, state, sum, where


@rule
def novograd(p, g, lr=1e-3, beta1=0.9, beta2=0.25, eps=1e-6, weight_decay=0.0):
    r"""NovoGrad: divides the gradient by a running norm of its tensor, before the momentum.

    $$v \leftarrow \beta_2 v + (1 - \beta_2) \lVert g \rVert^2 \qquad
    m \leftarrow \beta_1 m + \frac{g}{\sqrt{v} + \epsilon} + \lambda p \qquad
    p \leftarrow p - \eta m$$

    with $v$ starting from the first $\lVert g \rVert^2$ and $m$ from 0. Needs half the memory of
    Adam and hardly any warm-up, even with large batches. Elements of one tensor share a rate, so it
    suits sparse gradients less. Follows `optax.novograd`: the gradients add up in $m$ (there is no
    factor $1 - \beta_1$), so the effective step is $\eta / (1 - \beta_1)$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the momentum that is kept.
        beta2: share $\beta_2$ of the mean squared norm that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: weight decay $\lambda$, inside the momentum but outside the division.

    State variables: `m`, the momentum; `v`, the running mean of the squared norm of each tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import novograd
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = novograd([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([2.94, 3.92], dtype=float32)

    References:
        Ginsburg et al., [Stochastic Gradient Methods with Layer-wise Adaptive Moments for
        Training of Deep Networks](https://arxiv.org/abs/1905.11286), 2019.
    """
    m = state("m")
    square = sum(g**2)
    v = state("v", init=square, shape="tensor")
    v_new = assign(v, beta2 * v + (1 - beta2) * square)
    scale = let("scale", 1 / (sqrt(v_new) + eps))
    m_new = assign(m, beta1 * m + scale * g + weight_decay * p)
    return assign(p, p - lr * m_new)


@rule
def novograd_timm(p, g, lr=1e-3, beta1=0.95, beta2=0.98, eps=1e-8, weight_decay=0.0):
    r"""NovoGrad as NVIDIA uses it, with long running means.

    $$v \leftarrow \begin{cases} \lVert g \rVert^2 & v = 0 \\
    \beta_2 v + (1 - \beta_2) \lVert g \rVert^2 & \text{else} \end{cases} \qquad
    m \leftarrow \beta_1 m + \frac{g}{\sqrt{v} + \epsilon} + \lambda p \qquad
    p \leftarrow p - \eta m$$

    Has the strengths and weaknesses of `novograd`. It differs in its defaults, and for tensors
    whose first gradients are zero: $v$ starts from the first that is not. Follows
    `timm.optim.NvNovoGrad`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the momentum that is kept.
        beta2: share $\beta_2$ of the mean squared norm that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: weight decay $\lambda$, inside the momentum but outside the division.

    State variables: `m`, the momentum; `v`, the running mean of the squared norm of each tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import novograd_timm
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = novograd_timm([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([2.94, 3.92], dtype=float32)

    References:
        Ginsburg et al., [Stochastic Gradient Methods with Layer-wise Adaptive Moments for
        Training of Deep Networks](https://arxiv.org/abs/1905.11286), 2019.
    """
    m, v = state("m"), state("v", shape="tensor")
    square = sum(g**2)
    v_new = assign(v, where(equal(v, 0), square, beta2 * v + (1 - beta2) * square))
    scale = let("scale", 1 / (sqrt(v_new) + eps))
    m_new = assign(m, beta1 * m + scale * g + weight_decay * p)
    return assign(p, p - lr * m_new)
