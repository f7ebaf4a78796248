"""Quasi-Newton with a diagonal, and projections: Apollo and Aida."""

from learnerdsl import abs, assign, combine, let, maximum, rule, sqrt, state, step, sum
from learnerdsl.options import whole_from


@rule
def apollo(p, g, lr=1e-2, beta=0.9, eps=1e-4, rebound=1e-2, weight_decay=0.0):
    r"""Apollo: a quasi-Newton method whose matrix is diagonal.

    $$g \leftarrow g + \lambda p \qquad
    \alpha = \frac{1 - \beta}{1 - \beta^t} \qquad
    y = \alpha (g - m) \qquad
    m \leftarrow m + y$$

    $$d \leftarrow \frac{d}{\lVert d \rVert_4 + \epsilon / r} \qquad
    B \leftarrow B - \left( \frac{\sum y d}{\lVert d \rVert_4 + \epsilon / r} + \sum B d^2 \right)
    d^2$$

    $$d \leftarrow \frac{m}{\max(\lvert B \rvert, r)} \qquad
    p \leftarrow p - \eta d$$

    with sums and norms over one tensor (and the norm of the $d$ of the last step). $B$ follows
    the curvature along the last step, without Adam's second moments. The authors warm the rate up
    over 500 steps, and early training needs it. As `pytorch_optimizer.ApolloDQN` with
    `rebound="constant"` and no warm-up, which is a matter of schedules here.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta: share $\beta$ of the mean gradient that is kept.
        eps: $\epsilon$, added to the norm of the last direction after it is divided by $r$.
        rebound: lower bound $r$ of the curvature.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `m`, the running mean of the gradient; `B`, the diagonal of the Hessian
    matrix; `d`, the last direction.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import apollo
        >>> weights = np.ones(3, np.float32)
        >>> learner = apollo([weights], lr=0.001)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.9, 0.9, 0.9], dtype=float32)

    References:
        Ma, [Apollo: An Adaptive Parameter-wise Diagonal Quasi-Newton Method for Nonconvex
        Stochastic Optimization](https://arxiv.org/abs/2009.13586), 2020.
    """
    m, B, d = state("m"), state("B"), state("d")
    g = g + weight_decay * p
    y = let("y", (1 - beta) / (1 - beta**step) * (g - m))
    m_new = assign(m, m + y)
    square = let("square", d**2)
    d_norm = let("d_norm", sqrt(sqrt(sum(square**2))) + eps / rebound)
    # The sums are of the direction as it is stored, so that one pass finds them all.
    change = let("change", (sum(y * d) + sum(B * square)) / d_norm**2)
    B_new = assign(B, B - change * (d / d_norm) ** 2)
    d_new = assign(d, m_new / maximum(abs(B_new), rebound))
    return combine([m_new, B_new, assign(p, p - lr * d_new)])


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

    with sums over one tensor. The projections shrink both vectors, and with them the range of
    steps that AdaBelief takes within a tensor; 0 of them give AdaBelief. They are all found in
    one pass. As `pytorch_optimizer.Aida`, which also adds 1e-15 under the root.

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
