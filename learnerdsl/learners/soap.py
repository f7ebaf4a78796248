"""SOAP: Adam in the eigenbasis of Shampoo's matrices."""

from learnerdsl import (
    assign,
    combine,
    equal,
    let,
    maximum,
    ndim,
    rule,
    sqrt,
    state,
    step,
    where,
)
from learnerdsl.learners._kronecker_parts import (
    follow,
    grams,
    into,
    out_of,
    running_means,
    squares,
    turned_bases,
)


@rule
def soap(
    p,
    g,
    lr=3e-3,
    beta1=0.95,
    beta2=0.95,
    shampoo_beta=0.95,
    eps=1e-8,
    weight_decay=0.01,
    every=10,
):
    r"""SOAP: Adam whose second moments are kept in the slowly turning eigenbasis of the gradient.

    $$h = Q_L^\top g\, Q_R \qquad m \leftarrow \beta_1 m + (1 - \beta_1)\, h \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, h^2 \qquad
    u = Q_L \frac{m}{\sqrt{v} + \epsilon} Q_R^\top$$

    $$p \leftarrow (1 - \eta\lambda)
    \left(p - \eta \frac{\sqrt{1 - \beta_2^{t-1}}}{1 - \beta_1^{t-1}}\, u\right) \qquad
    L \leftarrow \beta L + (1 - \beta)\, g g^\top \qquad
    R \leftarrow \beta R + (1 - \beta)\, g^\top g$$

    $$\text{every 10 steps:} \quad Q_L \leftarrow \mathrm{qr}(L\, Q_L P_L) \qquad
    Q_R \leftarrow \mathrm{qr}(R\, Q_R P_R) \qquad v \leftarrow P_L^\top v\, P_R$$

    where $P$ orders the columns by their estimated eigenvalues $\mathrm{diag}(Q^\top L\, Q)$, and
    $m$ turns from the old bases into the new ones. The first update only takes the eigenvectors of
    $L$ and $R$ for $Q$ and moves nothing. Learns in fewer steps than AdamW, but each step costs
    more. Follows the authors' code and `pytorch_optimizer.SOAP` (which have a $Q$ for each axis of
    tensors with more than two axes; here such tensors are stacks of matrices, and which keep $m$
    out of the bases). Vectors have no $Q$ and are updated by Adam.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squares that are kept.
        shampoo_beta: share $\beta$ of $L$ and $R$ that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.
        every: number of steps from one update of $Q$ to the next.

    State variables: `m` and `v`, in the bases; of matrices also `left`, `right` and their bases
        `left_basis`, `right_basis`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import soap
        >>> weights = np.eye(2)
        >>> learner = soap([weights], lr=0.1, weight_decay=0.0)
        >>> for _ in range(2):
        ...     _ = learner.update([np.array([[2.0, 1.0], [0.0, 1.0]])])
        >>> weights.round(3)
        array([[ 0.905, -0.032],
               [ 0.032,  0.905]])

    References:
        Vyas et al., [SOAP: Improving and Stabilizing Shampoo using
        Adam](https://arxiv.org/abs/2409.11321), 2025.
    """
    m, v = state("m"), state("v")
    is_first = equal(step, 1)
    t = maximum(step - 1, 1)
    rate = lr * sqrt(1 - beta2**t) / (1 - beta1**t)
    if ndim(p) < 2:
        m_new = assign(m, where(is_first, m, beta1 * m + (1 - beta1) * g))
        v_new = assign(v, where(is_first, v, beta2 * v + (1 - beta2) * g**2))
        u = m_new / (sqrt(v_new) + eps)
        return assign(p, where(is_first, p, (1 - lr * weight_decay) * (p - rate * u)))

    matrices, q = squares(), squares("_basis")
    turned = let("turned", into(q, g))
    m_now = let("m_now", where(is_first, m, beta1 * m + (1 - beta1) * turned))
    v_now = let("v_now", where(is_first, v, beta2 * v + (1 - beta2) * turned**2))
    u = out_of(q, let("scaled", m_now / (sqrt(v_now) + eps)))
    p_new = assign(p, where(is_first, p, (1 - lr * weight_decay) * (p - rate * u)))

    matrices_new = running_means(matrices, shampoo_beta, grams(g))
    v_new, *q_new = turned_bases(matrices_new, q, v, v_now, every)
    return combine([p_new, assign(m, follow(q, q_new, m_now, every)), v_new, *q_new])
