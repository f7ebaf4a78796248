"""AdEMAMix: Adam with a fast and a slow momentum, and a simplified form with one."""

from learnerdsl import assign, rule, sqrt, state, step


@rule
def ademamix(
    p, g, lr=1e-3, beta1=0.9, beta2=0.999, beta3=0.9999, alpha=5.0, eps=1e-8, weight_decay=0.0
):
    r"""AdEMAMix: AdamW with a second, slow momentum over ten thousand steps.

    $$m_1 \leftarrow \beta_1 m_1 + (1 - \beta_1)\, g \qquad
    m_2 \leftarrow \beta_3 m_2 + (1 - \beta_3)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$\hat{m}_1 = \frac{m_1}{1 - \beta_1^t} \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t} \qquad
    p \leftarrow p - \eta \left(
    \frac{\hat{m}_1 + \alpha m_2}{\sqrt{\hat{v}} + \epsilon} + \lambda p \right)$$

    Made for long runs, in which old gradients still help. For short runs use a `beta3` of 0.999, or
    AdamW. Follows `optax.contrib.ademamix`: $m_2$ is not corrected. The paper lets `alpha` and
    `beta3` grow over the run, which keeps early steps small: give schedules for them.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the fast mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        beta3: share $\beta_3$ of the slow mean gradient that is kept.
        alpha: weight $\alpha$ of the slow mean.
        eps: $\epsilon$, added to the root of the corrected $\hat{v}$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m1` and `m2`, the fast and the slow running mean of the gradient; `v`, that
    of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import ademamix
        >>> weights = np.ones(2, np.float32)
        >>> learner = ademamix([weights], lr=0.1, beta3=0.9)
        >>> for gradient in ([1, 1], [1, 1], [-1, 0]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.85 0.85]
        [0.655 0.655]
        [0.593 0.473]

    References:
        Pagliardini et al., [The AdEMAMix Optimizer: Better, Faster,
        Older](https://arxiv.org/abs/2409.03137), 2024.
    """
    m1, m2, v = state("m1"), state("m2"), state("v")
    m1_new = assign(m1, beta1 * m1 + (1 - beta1) * g)
    m2_new = assign(m2, beta3 * m2 + (1 - beta3) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m1_hat = m1_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    u = (m1_hat + alpha * m2_new) / (sqrt(v_hat) + eps)
    return assign(p, p - lr * (u + weight_decay * p))


@rule
def simplified_ademamix(
    p, g, lr=1e-4, beta1=0.99, beta2=0.95, alpha=0.0, eps=1e-8, weight_decay=0.0
):
    r"""Simplified AdEMAMix: one sum of old gradients, and a separate weight for the newest.

    $$m \leftarrow \beta_1 m + g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    $$p \leftarrow p - \eta \left(
    \frac{m + \alpha g}{\sqrt{\hat{v}} + \epsilon} + \lambda p \right)$$

    Needs one array less than `ademamix`: a $\beta_1$ near 1 gives the long memory, $\alpha$ the
    fast reaction. The momentum is a sum, so steps grow to $\eta / (1 - \beta_1)$; make $\eta$
    smaller than for Adam by that factor. Follows `optax.contrib.simplified_ademamix`; the momentum
    has no bias correction.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the sum of gradients that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        alpha: additional weight $\alpha$ of the newest gradient.
        eps: $\epsilon$, added to the root of the corrected $\hat{v}$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the decaying sum of gradients; `v`, the running mean of their squares.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import simplified_ademamix
        >>> weights = np.ones(3, np.float32)
        >>> learner = simplified_ademamix([weights], lr=0.01, alpha=4.0)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.95, 0.95, 0.95], dtype=float32)

    References:
        Morwani et al., [Connections between Schedule-Free Optimizers, AdEMAMix, and Accelerated
        SGD Variants](https://arxiv.org/abs/2502.02431), 2025.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    v_hat = v_new / (1 - beta2**step)
    return assign(p, p - lr * ((m_new + alpha * g) / (sqrt(v_hat) + eps) + weight_decay * p))
