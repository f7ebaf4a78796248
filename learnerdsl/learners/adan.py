"""Adan: Adam with Nesterov's momentum from differences of gradients."""

from learnerdsl import assign, combine, let, rule, sqrt, state, step


@rule
def adan(p, g, lr=1e-3, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-8, weight_decay=0.0):
    r"""Adan: adaptive Nesterov momentum, estimated from the change of the gradient.

    $$d = g - g' \qquad g' \leftarrow g$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, d \qquad
    n \leftarrow \beta_3 n + (1 - \beta_3)(g + \beta_2 d)^2$$

    $$u = \frac{m}{1 - \beta_1^t} + \frac{\beta_2 v}{1 - \beta_2^t} \qquad
    \hat{n} = \frac{n}{1 - \beta_3^t} \qquad
    p \leftarrow \frac{1}{1 + \eta \lambda}
    \left( p - \eta \frac{u}{\sqrt{\hat{n}} + \epsilon} \right)$$

    with $g' = g$ at the first update. Takes learning rates several times those of AdamW, above all
    on vision transformers. It keeps four arrays for each parameter. Follows the authors' code and
    `timm.optim.Adan`: the betas are the shares that are kept (in the paper they are the weights of
    the new values), and the decay is proximal, after the step. (`optax.adan` 0.2.8 weighs the
    difference by $1 - \beta_2$, which is another rule.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean difference that is kept, and the weight of differences.
        beta3: share $\beta_3$ of the mean square that is kept.
        eps: $\epsilon$, added to the root of the corrected $\hat{n}$.
        weight_decay: proximal weight decay $\lambda$.

    State variables: `m`, `v` and `n`, the running means of the gradient, of its differences and of
    the square of the gradient looked ahead; `g_last`, the gradient of the update before.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adan
        >>> weights = np.ones(2, np.float32)
        >>> learner = adan([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, 2], [1, 3]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8   0.809]
        [0.7   0.717]

    References:
        Xie et al., [Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep
        Models](https://arxiv.org/abs/2208.06677), 2022.
    """
    m, v, n, g_last = state("m"), state("v"), state("n"), state("g_last", init=g)
    d = let("d", g - g_last)
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * d)
    n_new = assign(n, beta3 * n + (1 - beta3) * (g + beta2 * d) ** 2)
    u = m_new / (1 - beta1**step) + beta2 / (1 - beta2**step) * v_new
    n_hat = n_new / (1 - beta3**step)
    p_new = assign(p, (p - lr * u / (sqrt(n_hat) + eps)) / (1 + lr * weight_decay))
    return combine([p_new, assign(g_last, g)])
