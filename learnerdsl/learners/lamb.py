"""LAMB: Adam with a learning rate for each tensor, from the norms of weights and step."""

from learnerdsl import assign, equal, let, maximum, minimum, norm, rule, sqrt, state, step, where


@rule
def lamb(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.0):
    r"""LAMB: layer-wise adaptive moments, AdamW for very large batches.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{m} = \frac{m}{1 - \beta_1^t} \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    $$u = \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon} + \lambda p \qquad
    r = \frac{\lVert p \rVert}{\lVert u \rVert} \qquad
    p \leftarrow p - \eta r u$$

    with the norms over one tensor, and $r = 1$ where one of them is 0. Keeps steps proportional to
    the weights of each layer and so trains transformers with batches of many thousands. For small
    batches AdamW does as well at less cost. Follows the paper with the identity for its $\phi$, and
    `optax.lamb`: the decay is inside $u$, and gradients are not clipped.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, the ratio of a step to the weights.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $\hat{v}$.
        weight_decay: weight decay $\lambda$, inside the norm of the step.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import lamb
        >>> weights = [np.ones(2, np.float32), np.full(2, 10, np.float32)]
        >>> learner = lamb(weights, lr=0.1)
        >>> learner.update([np.array([10, -0.1], np.float32), np.ones(2, np.float32)])
        True
        >>> [w.round(3) for w in weights]
        [array([0.9, 1.1], dtype=float32), array([9., 9.], dtype=float32)]

    References:
        You et al., [Large Batch Optimization for Deep Learning: Training BERT in 76
        minutes](https://arxiv.org/abs/1904.00962), 2020.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    u = let("u", m_hat / (sqrt(v_hat) + eps) + weight_decay * p)
    p_norm, u_norm = norm(p), norm(u)
    trust = let("trust", where(equal(p_norm, 0) | equal(u_norm, 0), 1, p_norm / u_norm))
    return assign(p, p - lr * trust * u)


@rule
def lamb_timm(
    p,
    g,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-6,
    weight_decay=1e-2,
    max_norm=1.0,
    trust_clip=False,
    always_adapt=False,
):
    r"""LAMB that first clips the gradients of the whole model, as is usual in practice.

    $$g \leftarrow \frac{g}{\max(1, \lVert g \rVert_\mathrm{model} / c)} \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$u = \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} + \lambda p \qquad
    r = \frac{\lVert p \rVert}{\lVert u \rVert} \qquad
    p \leftarrow p - \eta r u$$

    with $r = 1$ where one of its norms over the tensor is 0. For very large batches, like `lamb`;
    the clipping limits how much a batch with outliers harms $v$. Follows `timm.optim.Lamb`, which
    follows NVIDIA's `FusedLAMB`: without weight decay there is no adaptation ($r = 1$) unless
    `always_adapt` is set.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, the ratio of a step to the weights.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $v$.
        weight_decay: weight decay $\lambda$, inside the norm of the step.
        max_norm: $c$, the largest norm of all gradients together that is not clipped.
        trust_clip: whether to limit $r$ to 1 (LAMBC).
        always_adapt: whether to adapt without weight decay as well.

    State variables: `m` and `v`, the running means of the clipped gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import lamb_timm
        >>> weights = [np.ones(2, np.float32), np.full(2, 10, np.float32)]
        >>> learner = lamb_timm(weights, lr=0.1)
        >>> learner.update([np.array([10, -0.1], np.float32), np.ones(2, np.float32)])
        True
        >>> [w.round(3) for w in weights]
        [array([0.899, 1.099], dtype=float32), array([9., 9.], dtype=float32)]

    References:
        You et al., [Large Batch Optimization for Deep Learning: Training BERT in 76
        minutes](https://arxiv.org/abs/1904.00962), 2020.
    """
    m, v = state("m"), state("v")
    clip = let("clip", 1 / maximum(1, norm(g, over="model") / max_norm))
    m_new = assign(m, beta1 * m + (1 - beta1) * clip * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * (clip * g) ** 2)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    u = let("u", m_hat / (sqrt(v_hat) + eps) + weight_decay * p)
    p_norm, u_norm = norm(p), norm(u)
    trust = where(equal(p_norm, 0) | equal(u_norm, 0), 1, p_norm / u_norm)
    if trust_clip:
        trust = minimum(trust, 1)
    if not always_adapt:
        trust = where(equal(weight_decay, 0), 1, trust)
    trust = let("trust", trust)
    return assign(p, p - lr * trust * u)
