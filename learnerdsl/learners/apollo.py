"""Apollo: a quasi-Newton method with a diagonal approximation of the Hessian."""

from learnerdsl import abs, assign, combine, let, maximum, rule, sqrt, state, step, sum


@rule
def apollo(p, g, lr=1e-2, beta=0.9, eps=1e-4, rebound=1e-2, weight_decay=0.0):
    r"""Apollo: a quasi-Newton method whose Hessian estimate is diagonal.

    $$g \leftarrow g + \lambda p \qquad
    \alpha = \frac{1 - \beta}{1 - \beta^t} \qquad
    y = \alpha (g - m) \qquad
    m \leftarrow m + y$$

    $$d \leftarrow \frac{d}{\lVert d \rVert_4 + \epsilon / r} \qquad
    B \leftarrow B - \left( \frac{\sum y d}{\lVert d \rVert_4 + \epsilon / r} + \sum B d^2 \right)
    d^2$$

    $$d \leftarrow \frac{m}{\max(\lvert B \rvert, r)} \qquad
    p \leftarrow p - \eta d$$

    with sums and norms over one tensor, and with the $d$ of the last step in the norm. $B$ tracks
    the curvature along the last step, without Adam's second moments. The authors warm the rate up
    over 500 steps, which early training needs. Follows `pytorch_optimizer.ApolloDQN` with
    `rebound="constant"` and no warm-up; use a schedule for that.

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
        >>> weights = np.ones(2, np.float32)
        >>> learner = apollo([weights], lr=0.001)
        >>> for _ in range(3):
        ...     _ = learner.update([np.array([3, 1], np.float32) * weights])
        >>> weights.round(3)
        array([0.238, 0.716], dtype=float32)
        >>> learner.state[0]["B"].round(4)
        array([0.0018, 0.0002], dtype=float32)

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
