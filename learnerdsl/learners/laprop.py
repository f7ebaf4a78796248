"""LaProp: it normalises the gradient first, and then averages it."""

from learnerdsl import assign, equal, let, rule, sqrt, state, where


@rule
def laprop(p, g, lr=4e-4, beta1=0.9, beta2=0.999, eps=1e-15, weight_decay=0.0):
    r"""LaProp: Adam that applies momentum after the division instead of before it.

    $$\ell_1 \leftarrow \beta_1 \ell_1 + (1 - \beta_1)\, \eta \qquad
    \ell_2 \leftarrow \beta_2 \ell_2 + (1 - \beta_2) \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, \frac{\eta g}{\sqrt{v / \ell_2} + \epsilon} \qquad
    p \leftarrow (1 - \eta \lambda) \left( p - \frac{\eta}{\ell_1} m \right)$$

    Each gradient is divided by the root mean square at its own step, so the two betas are
    independent of each other (Adam diverges if $\beta_1 > \sqrt{\beta_2}$), and a sudden large
    gradient does not shrink the momentum. Follows `timm.optim.LaProp`: the learning rate is inside
    the momentum, and the decay comes after the step. Nothing moves at a rate of 0. (In timm the
    momentum does.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the momentum that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the momentum of normalised gradients; `v`, the running mean of the
    squared gradient; `lr_mean` and `weight`, the running means $\ell_1$ of the learning rate and
    $\ell_2$ of 1 that correct them, one of each for a tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import laprop
        >>> weights = np.ones(2, np.float32)
        >>> learner = laprop([weights], lr=0.1)
        >>> for gradient in ([1, 10], [1, 0], [1, 0]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8   0.853]
        [0.7   0.823]

    References:
        Ziyin, Wang and Ueda, [LaProp: Separating Momentum and Adaptivity in
        Adam](https://arxiv.org/abs/2002.04839), 2020.
    """
    m, v = state("m"), state("v")
    lr_mean, weight = state("lr_mean", shape="tensor"), state("weight", shape="tensor")
    l1 = assign(lr_mean, beta1 * lr_mean + (1 - beta1) * lr)
    l2 = assign(weight, beta2 * weight + (1 - beta2))
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_new = assign(m, beta1 * m + (1 - beta1) * lr * g / (sqrt(v_new / l2) + eps))
    rate = let("rate", where(equal(lr, 0), 0, lr / l1))
    return assign(p, (1 - lr * weight_decay) * (p - rate * m_new))
