"""Padam: Adam divided by a smaller power of the second moment."""

from learnerdsl import assign, rule, sqrt, state, step
from learnerdsl.options import whole_from


@rule
def padam(p, g, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, roots=1):
    r"""Padam: partially adaptive Adam, between SGD with momentum and Adam.

    $$g \leftarrow g + \lambda p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$p \leftarrow p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}
    \frac{m}{(\sqrt{v} + \epsilon)^{2 \pi}} \qquad \pi = 2^{-1 - \mathrm{roots}}$$

    Generalises more like SGD, and needs rates as large as those of SGD. The power $\pi$ is set by a
    number of square roots, which keeps the kernel fast: 0 for Adam's power of 1/2, 1 for 1/4, and 2
    for the 1/8 of the paper. Follows `pytorch_optimizer.PAdam`, whose default is 1/4 (the paper
    also takes the maximum of $v$, as in `amsgrad`).

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root before it is raised to a power.
        weight_decay: coefficient $\lambda$ of the L2 penalty.
        roots: how many square roots are taken of $\sqrt{v} + \epsilon$; an option.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import padam
        >>> weights = np.ones(3, np.float32)
        >>> learner = padam([weights], lr=0.1)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.944, 0.994, 1.018], dtype=float32)

    References:
        Chen et al., [Closing the Generalization Gap of Adaptive Gradient Methods in Training
        Deep Neural Networks](https://arxiv.org/abs/1806.06763), 2020.
    """
    m, v = state("m"), state("v")
    g = g + weight_decay * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    divisor = sqrt(v_new) + eps
    for _ in range(whole_from(0, "roots", roots)):
        divisor = sqrt(divisor)
    return assign(p, p - lr * sqrt(1 - beta2**step) / (1 - beta1**step) * m_new / divisor)
