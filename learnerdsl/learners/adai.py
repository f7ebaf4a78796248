"""Adai: momentum whose inertia each element sets by its second moment."""

from learnerdsl import assign, clip, equal, let, mean, rule, state, step, where


@rule
def adai(p, g, lr=1e-3, beta0=0.1, beta2=0.99, eps=1e-3, weight_decay=0.0):
    r"""Adai: adaptive inertia, a separate momentum for each element.

    $$g \leftarrow g + \lambda p \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    $$\beta_1 = \mathrm{clip}\left(1 - \beta_0 \frac{\hat{v}}{\bar{v}},\ 0,\ 1 - \epsilon\right)
    \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    p \leftarrow p - \eta \frac{m}{1 - \prod_{s \le t} \beta_{1,s}}$$

    where $\bar{v}$ is the mean of $\hat{v}$ over the whole model. Adapts the inertia of each
    element instead of its learning rate, so that it leaves sharp minima as well as momentum does
    and generalises like it. Its learning rate is like that of momentum, far larger than that of
    Adam. Follows the paper and the code of its authors. (`pytorch_optimizer.Adai` is the same where
    $\bar{v}$ is above its `eps`, to which it raises $\bar{v}$.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta0: $\beta_0$, the share of the gradient that an element with the mean square takes.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, the least share of the gradient that is taken.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `m` and `v`, the running means of the gradient and of its square; `weight`, the
    sum of the weights in `m`, which is 1 minus the product of all $\beta_1$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adai
        >>> weights = np.ones(3, np.float32)
        >>> learner = adai([weights], lr=0.1)
        >>> learner.update([np.array([1.0, 2.0, 3.0], np.float32)])
        True
        >>> weights.round(3)
        array([0.9, 0.8, 0.7], dtype=float32)

    References:
        Xie et al., [Adaptive Inertia: Disentangling the Effects of Adaptive Learning Rate and
        Momentum](https://arxiv.org/abs/2006.15815), 2022.
    """
    m, v, weight = state("m"), state("v"), state("weight")
    g = g + weight_decay * p
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    v_hat = v_new / (1 - beta2**step)
    v_mean = mean(v_hat, over="model")
    scale = let("scale", where(equal(v_mean, 0), 0, beta0 / v_mean))
    share = let("share", clip(scale * v_hat, eps, 1))
    m_new = assign(m, (1 - share) * m + share * g)
    weight_new = assign(weight, (1 - share) * weight + share)
    return assign(p, p - lr * m_new / weight_new)
