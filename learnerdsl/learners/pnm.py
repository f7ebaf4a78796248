"""Positive-negative momentum: PNM and AdaPNM."""

from learnerdsl import assign, combine, maximum, rule, sqrt, state, step


@rule
def pnm(p, g, lr=1e-3, beta1=0.9, beta0=1.0, weight_decay=0.0):
    r"""PNM: the difference of two momentum buffers, which are updated in turns.

    $$m_t = \beta_1^2 m_{t-2} + (1 - \beta_1^2)\, g \qquad
    p \leftarrow p - \eta \left(\frac{(1 + \beta_0)\, m_t - \beta_0 m_{t-1}}
    {\sqrt{(1 + \beta_0)^2 + \beta_0^2}} + \lambda p\right)$$

    The two buffers hold gradients of different batches, so their difference has more of the noise
    that leads to flat minima, without further gradients. Follows `pytorch_optimizer.PNM` and the
    authors' code (decay is decoupled and multiplied by the learning rate).

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: $\beta_1$, whose square is the share of a buffer that is kept.
        beta0: $\beta_0$, weight of the negative buffer.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `before` and `last`, the momentum of the step before the last and of the last.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import pnm
        >>> weights = np.ones(3, np.float32)
        >>> learner = pnm([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.983, 0.983, 0.983], dtype=float32)

    References:
        Xie et al., [Positive-Negative Momentum: Manipulating Stochastic Gradient Noise to
        Improve Generalization](https://arxiv.org/abs/2103.17182), 2021.
    """
    before, last = state("before"), state("last")
    m = assign(last, beta1**2 * before + (1 - beta1**2) * g)
    before_new = assign(before, last)
    difference = ((1 + beta0) * m - beta0 * last) / sqrt((1 + beta0) ** 2 + beta0**2)
    return combine([before_new, assign(p, p - lr * (difference + weight_decay * p))])


@rule
def adapnm(p, g, lr=1e-3, beta1=0.9, beta2=0.999, beta0=1.0, eps=1e-8, weight_decay=0.0):
    r"""AdaPNM: positive-negative momentum divided by the root mean square of AMSGrad.

    $$m_t = \beta_1^2 m_{t-2} + (1 - \beta_1^2)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \bar{v} \leftarrow \max(\bar{v}, v)$$

    $$u = \frac{(1 + \beta_0)\, m_t - \beta_0 m_{t-1}}{\sqrt{(1 + \beta_0)^2 + \beta_0^2}} \qquad
    p \leftarrow p - \eta \left(\frac{u}{1 - \beta_1^t} \Big/ \left(\sqrt{\frac{\bar{v}}
    {1 - \beta_2^t}} + \epsilon\right) + \lambda p\right)$$

    It is to `pnm` what Adam is to momentum. Follows the authors' code, which divides by
    $1 - \beta_1^t$ although the buffers keep $\beta_1^2$. (`pytorch_optimizer.AdaPNM` adds 1e-15
    under the root, and $\epsilon$ before the correction.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: $\beta_1$, whose square is the share of a buffer that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        beta0: $\beta_0$, weight of the negative buffer.
        eps: $\epsilon$, added to the root of the corrected mean.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `before` and `last`, the momentum of the step before the last and of the last;
    `v` and `v_max`, the running mean of squared gradients and its largest value.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adapnm
        >>> weights = np.ones(3, np.float32)
        >>> learner = adapnm([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.83, 0.83, 0.83], dtype=float32)

    References:
        Xie et al., [Positive-Negative Momentum: Manipulating Stochastic Gradient Noise to
        Improve Generalization](https://arxiv.org/abs/2103.17182), 2021.
    """
    before, last, v, v_max = state("before"), state("last"), state("v"), state("v_max")
    m = assign(last, beta1**2 * before + (1 - beta1**2) * g)
    before_new = assign(before, last)
    v_max_new = assign(v_max, maximum(v_max, assign(v, beta2 * v + (1 - beta2) * g**2)))
    difference = ((1 + beta0) * m - beta0 * last) / sqrt((1 + beta0) ** 2 + beta0**2)
    u = difference / (1 - beta1**step) / (sqrt(v_max_new / (1 - beta2**step)) + eps)
    return combine([before_new, assign(p, p - lr * (u + weight_decay * p))])
