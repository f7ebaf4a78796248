"""Aida: AdaBelief with mutual projections of gradient and momentum."""

from learnerdsl import assign, let, rule, sqrt, state, step, sum
from learnerdsl.options import whole_from


@rule
def aida(p, g, lr=1e-3, beta1=0.9, beta2=0.999, xi=1e-20, eps=1e-8, weight_decay=0.0, k=2):
    r"""Aida: AdaBelief with gradient and momentum projected on each other.

    $$g \leftarrow g + \lambda p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g$$

    $$(g', m') \leftarrow \left(
    \frac{\langle g', m' \rangle}{\lVert g' \rVert^2 + \xi} g',\;
    \frac{\langle g', m' \rangle}{\lVert m' \rVert^2 + \xi} m' \right)
    \quad k \text{ times, from } (g, m)$$

    $$s \leftarrow \beta_2 s + (1 - \beta_2) (m' - g')^2 + \epsilon \qquad
    p \leftarrow p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}
    \frac{m}{\sqrt{s} + \epsilon}$$

    with sums over one tensor. The projections shrink both vectors and thereby the range of step
    sizes that AdaBelief takes within a tensor; with 0 projections the rule is AdaBelief. One pass
    computes them all. Follows `pytorch_optimizer.Aida`, which also adds 1e-15 under the root.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared deviation that is kept.
        xi: $\xi$, keeps the projections from dividing by zero.
        eps: $\epsilon$, added to $s$ at each step and to its root.
        weight_decay: coefficient $\lambda$ of the L2 penalty.
        k: number of projections; an option.

    State variables: `m`, the running mean of the gradient, and `s`, that of the squared
    deviation.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import aida
        >>> weights = np.ones(3, np.float32)
        >>> learner = aida([weights], lr=0.001)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.999, 0.999, 0.999], dtype=float32)

    References:
        Zhang, Niwa and Kleijn, [A DNN Optimizer that Improves over AdaBelief by Suppression of
        the Adaptive Stepsize Range](https://arxiv.org/abs/2203.13273), 2022.
    """
    m, s = state("m"), state("s")
    g = g + weight_decay * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    gg, mm, gm = sum(g**2), sum(m_new**2), sum(g * m_new)
    # The projected vectors are g and m times these scales, so sums over the two suffice.
    g_scale = m_scale = 1
    for i in range(1, whole_from(0, "k", k) + 1):
        c = g_scale * m_scale * gm
        g_next = let(f"g_scale{i}", g_scale * c / (g_scale**2 * gg + xi))
        m_scale = let(f"m_scale{i}", m_scale * c / (m_scale**2 * mm + xi))
        g_scale = g_next
    s_new = assign(s, beta2 * s + (1 - beta2) * (m_scale * m_new - g_scale * g) ** 2 + eps)
    adam_lr = lr * sqrt(1 - beta2**step) / (1 - beta1**step)
    return assign(p, p - adam_lr * m_new / (sqrt(s_new) + eps))
