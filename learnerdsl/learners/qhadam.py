"""QHAdam: Adam whose step mixes the running means with the newest gradient."""

from learnerdsl import assign, let, rule, sqrt, state


@rule
def qhadam(p, g, lr=1e-3, beta1=0.9, beta2=0.999, nu1=1.0, nu2=1.0, eps=1e-8, weight_decay=0.0):
    r"""QHAdam: quasi-hyperbolic momentum inside Adam.

    $$g \leftarrow g + \lambda p \qquad
    w_i \leftarrow 1 + \beta_i w_i \qquad
    b_i = 1 - 1 / w_i$$

    $$m \leftarrow b_1 m + (1 - b_1)\, g \qquad
    v \leftarrow b_2 v + (1 - b_2)\, g^2 \qquad
    p \leftarrow p - \eta \frac{(1 - \nu_1)\, g + \nu_1 m}
    {\sqrt{(1 - \nu_2)\, g^2 + \nu_2 v} + \epsilon}$$

    A weight $\nu$ of 1 gives Adam, and 0 forgets the past; the paper advises $\nu_1 = 0.7$ and
    $\nu_2 = 1$. With $\nu_2 < 1$ single steps are bounded even if $\beta_2$ is close to 1, so it
    helps where Adam is unstable. The weights $w_i$ take the place of Adam's bias corrections, and
    stay correct when the betas change. Follows `QHAdam` of facebookresearch/qhoptim.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        nu1: weight $\nu_1$ of the mean gradient compared with the newest gradient.
        nu2: weight $\nu_2$ of the mean squared gradient compared with the newest.
        eps: $\epsilon$, added to the root.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `m` and `v`, the running means of the gradient and of its square; `w1` and
    `w2`, the sums of their weights, one of each for a tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import qhadam
        >>> weights = np.ones(2, np.float32)
        >>> learner = qhadam([weights], lr=0.1, nu1=0.7)
        >>> for gradient in ([1, 1], [1, -1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8   0.934]

    References:
        Ma and Yarats, [Quasi-hyperbolic momentum and Adam for deep
        learning](https://arxiv.org/abs/1810.06801), 2019.
    """
    m, v = state("m"), state("v")
    w1, w2 = state("w1", shape="tensor"), state("w2", shape="tensor")
    g = let("decayed", g + weight_decay * p)
    b1 = 1 - 1 / assign(w1, 1 + beta1 * w1)
    b2 = 1 - 1 / assign(w2, 1 + beta2 * w2)
    m_new = assign(m, b1 * m + (1 - b1) * g)
    v_new = assign(v, b2 * v + (1 - b2) * g**2)
    mean = (1 - nu1) * g + nu1 * m_new
    mean_square = (1 - nu2) * g**2 + nu2 * v_new
    return assign(p, p - lr * mean / (sqrt(mean_square) + eps))
