"""MoMo and MoMo-Adam: learning rates from a model of the loss along the momentum."""

from learnerdsl import (
    assign,
    combine,
    extra,
    let,
    maximum,
    minimum,
    rule,
    sqrt,
    state,
    step,
    sum,
    where,
)

SMALLEST_SQUARE = 2.0**-52
"""Momentum with no larger squared norm does not move the weights (machine epsilon, as optax)."""


@rule
def momo(p, g, lr=1.0, beta=0.9, weight_decay=0.0, lower_bound=0.0):
    r"""MoMo: momentum whose learning rate follows from the loss.

    $$m \leftarrow \beta_t m + (1 - \beta_t)\, g \qquad
    \bar{f} \leftarrow \beta_t \bar{f} + (1 - \beta_t) f \qquad
    \gamma \leftarrow \beta_t \gamma + (1 - \beta_t) \langle g, p \rangle$$

    $$\tau = \min\left(\eta,\ \frac{\max(0, (1 + \eta\lambda)(\bar{f} - f_* - \gamma)
    + \langle m, p \rangle)}{\lVert m \rVert^2}\right) \qquad
    p \leftarrow \frac{p}{1 + \eta\lambda} - \tau m$$

    where $f$ is the loss, products and norms are over the whole model, $\beta_1 = 0$ and
    $\beta_t = \beta$ afterwards; $\tau = 0$ where $\lVert m \rVert^2$ is at most $2^{-52}$. An
    average of past linear models of the loss predicts how far away $f_*$ is, and each step goes
    that far, but no further than $\eta$ allows: a learning rate that is too large does little harm.
    It does not help where the loss stays far above its bound. Follows `optax.contrib.momo` with a
    fixed bound.

    Args:
        p: the parameter.
        g: its gradient.
        lr: $\eta$, the largest learning rate.
        beta: share $\beta$ of the means that is kept.
        weight_decay: decoupled weight decay $\lambda$, multiplied by $\eta$.
        lower_bound: $f_*$, a value that the loss cannot fall below.

    `update` also takes the `loss` $f$.

    State variables: `m`, the running mean of the gradient; `f_bar` and `gamma`, those of the loss
    and of $\langle g, p \rangle$, for the whole model.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import momo
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = momo([weights])
        >>> learner.update([2 * weights], loss=25.0)
        True
        >>> weights
        array([1.5, 2. ], dtype=float32)

    References:
        Schaipp et al., [MoMo: Momentum Models for Adaptive Learning
        Rates](https://arxiv.org/abs/2305.07583), 2024.
    """
    m, f_bar = state("m"), state("f_bar", shape="model")
    gamma = state("gamma", shape="model")
    beta_t = let("beta_t", where(step > 1, beta, 0))
    m_new = assign(m, beta_t * m + (1 - beta_t) * g)
    f_bar_new = assign(f_bar, beta_t * f_bar + (1 - beta_t) * extra("loss"))
    gamma_new = assign(gamma, beta_t * gamma + (1 - beta_t) * sum(g * p, over="model"))
    shrink = let("shrink", 1 + lr * weight_decay)
    square = let("square", sum(m_new**2, over="model"))
    gap = shrink * (f_bar_new - lower_bound - gamma_new) + sum(m_new * p, over="model")
    size = minimum(lr, maximum(gap, 0) / square)
    tau = let("tau", where(square <= SMALLEST_SQUARE, 0, size))
    return combine([assign(p, p / shrink - tau * m_new), f_bar_new, gamma_new])


@rule
def momo_adam(p, g, lr=1e-2, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, lower_bound=0.0):
    r"""MoMo-Adam: AdamW whose learning rate follows from the loss.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    D = \epsilon + \sqrt{\frac{v}{1 - \beta_2^t}}$$

    $$\bar{f} \leftarrow \beta_1 \bar{f} + (1 - \beta_1) f \qquad
    \gamma \leftarrow \beta_1 \gamma + (1 - \beta_1) \langle g, p \rangle \qquad
    c = 1 - \beta_1^t$$

    $$\tau = \min\left(\frac{\eta}{c},\ \frac{\max(0, (1 + \eta\lambda)(\bar{f} - c f_* - \gamma)
    + \langle m, p \rangle)}{\langle m, m / D \rangle}\right) \qquad
    p \leftarrow \frac{p}{1 + \eta\lambda} - \tau \frac{m}{D}$$

    where $f$ is the loss and products are over the whole model; $\tau = 0$ where
    $\langle m, m / D \rangle$ is at most $2^{-52}$. Has the strengths and weaknesses of `momo`,
    with the rates of Adam for each element. Follows `optax.contrib.momo_adam` with a fixed bound.

    Args:
        p: the parameter.
        g: its gradient.
        lr: $\eta$, the largest learning rate.
        beta1: share $\beta_1$ of the means of gradient and loss that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$, multiplied by $\eta$.
        lower_bound: $f_*$, a value that the loss cannot fall below.

    `update` also takes the `loss` $f$.

    State variables: `m` and `v`, the running means of the gradient and of its square; `f_bar` and
    `gamma`, those of the loss and of $\langle g, p \rangle$, for the whole model.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import momo_adam
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = momo_adam([weights], lr=1.0)
        >>> learner.update([2 * weights], loss=7.0)
        True
        >>> weights
        array([2.5, 3.5], dtype=float32)

    References:
        Schaipp et al., [MoMo: Momentum Models for Adaptive Learning
        Rates](https://arxiv.org/abs/2305.07583), 2024.
    """
    m, v = state("m"), state("v")
    f_bar, gamma = state("f_bar", shape="model"), state("gamma", shape="model")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    f_bar_new = assign(f_bar, beta1 * f_bar + (1 - beta1) * extra("loss"))
    gamma_new = assign(gamma, beta1 * gamma + (1 - beta1) * sum(g * p, over="model"))
    direction = let("direction", m_new / (eps + sqrt(v_new / (1 - beta2**step))))
    shrink, c = let("shrink", 1 + lr * weight_decay), let("c", 1 - beta1**step)
    square = let("square", sum(m_new * direction, over="model"))
    gap = shrink * (f_bar_new - c * lower_bound - gamma_new) + sum(m_new * p, over="model")
    size = minimum(lr / c, maximum(gap, 0) / square)
    tau = let("tau", where(square <= SMALLEST_SQUARE, 0, size))
    return combine([assign(p, p / shrink - tau * direction), f_bar_new, gamma_new])
