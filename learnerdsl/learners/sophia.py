"""Sophia: momentum divided by an estimate of the diagonal of the Hessian, and clipped."""

from learnerdsl import assign, clip, combine, equal, extra, maximum, rule, state, step, where
from learnerdsl.options import whole_from


@rule
def sophia(
    p,
    g,
    lr=1e-4,
    beta1=0.965,
    beta2=0.99,
    gamma=0.01,
    clip_threshold=1.0,
    eps=1e-8,
    weight_decay=1e-4,
    update_interval=10,
):
    r"""Sophia: momentum divided by the curvature, and clipped.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    u = \mathrm{clip} \left( \frac{m / (1 - \beta_1^t)}{\max(\gamma h, \epsilon)},
    -\rho, \rho \right) \qquad
    p \leftarrow p - \eta (u + \lambda p)$$

    $$h \leftarrow \beta_2 h + (1 - \beta_2)\, \hat{h}
    \quad \text{at the steps } 1, k + 1, 2k + 1, \ldots$$

    with the estimate $\hat{h}$ of the Hessian matrix's diagonal that
    `learner.update(grads, hessian_diag=...)` is given, for instance $z \odot H z$ with random signs
    $z$. Where the curvature is small or negative, the step is only a sign, so it cannot explode.
    The estimate costs a Hessian-vector product; between the steps that use it, it is ignored and
    may be anything. Follows `optax.contrib.sophia`: the step uses the $h$ from before this update.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, the size of clipped steps.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean curvature that is kept.
        gamma: factor $\gamma$ of the curvature; the larger it is, the fewer elements are clipped.
        clip_threshold: $\rho$, the largest entry of $u$.
        eps: $\epsilon$, lower bound of the divisor.
        weight_decay: decoupled weight decay $\lambda$.
        update_interval: steps $k$ from one use of the estimate to the next; an option.

    State variables: `m`, the running mean of the gradient, and `h`, that of the curvature.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import sophia
        >>> weights = np.ones(3, np.float32)
        >>> learner = sophia([weights], lr=0.1, weight_decay=0.0)
        >>> gradient, diagonal = np.ones(3, np.float32), np.array([1e5, 1, 0], np.float32)
        >>> all(learner.update([gradient], hessian_diag=[diagonal]) for _ in range(2))
        True
        >>> weights.round(3)
        array([0.89, 0.8 , 0.8 ], dtype=float32)

    References:
        Liu et al., [Sophia: A Scalable Stochastic Second-order Optimizer for Language Model
        Pre-training](https://arxiv.org/abs/2305.14342), 2024.
    """
    m, h = state("m"), state("h")
    h_hat = extra("hessian_diag")
    m_hat = assign(m, beta1 * m + (1 - beta1) * g) / (1 - beta1**step)
    limit = maximum(clip_threshold, 0)
    u = clip(m_hat / maximum(gamma * h, eps), -limit, limit)
    is_used = equal((step - 1) % whole_from(1, "update_interval", update_interval), 0)
    h_new = assign(h, where(is_used, beta2 * h + (1 - beta2) * h_hat, h))
    return combine([assign(p, p - lr * (u + weight_decay * p)), h_new])
