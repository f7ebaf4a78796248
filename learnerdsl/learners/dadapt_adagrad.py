"""D-Adaptation of AdaGrad: the learning rate is estimated while training."""

from learnerdsl import (
    abs,
    assign,
    combine,
    equal,
    let,
    maximum,
    minimum,
    rule,
    sqrt,
    state,
    sum,
    where,
)


@rule
def dadapt_adagrad(
    p,
    g,
    lr=1.0,
    momentum=0.0,
    eps=1e-6,
    weight_decay=0.0,
    d0=1e-6,
    growth_rate=float("inf"),
):
    r"""D-Adapt AdaGrad: dual averaging whose rate is an estimate of the distance to the solution.

    $$a = d\, \eta \qquad
    g \leftarrow g + \lambda p \qquad
    \alpha \leftarrow \alpha + g^2 \qquad
    s \leftarrow s + a g \qquad
    p \leftarrow \mu p + (1 - \mu) \left( p_0 - \frac{s}{\sqrt{\alpha} + \epsilon} \right)$$

    $$q \leftarrow q + a^2 \sum \frac{g^2}{\sqrt{\alpha} + \epsilon} \qquad
    \hat{d} = \frac{\sum \frac{s^2}{\sqrt{\alpha} + \epsilon} - q}{\lVert s \rVert_1} \qquad
    d \leftarrow \max(d, \min(\hat{d}, \gamma d))$$

    with sums over the whole model, and $\alpha$ starting from $10^{-6}$. Its authors recommend the
    variants of Adam or SGD instead, because this one takes longer to find the rate. Follows
    `dadaptation.DAdaptAdaGrad` with dense gradients and a fixed $\epsilon$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ of the estimated rate, the same for all groups.
        momentum: share $\mu$ of the parameter in its average with the newest point.
        eps: $\epsilon$, added to the root.
        weight_decay: coefficient $\lambda$ of the L2 penalty.
        d0: the first $d$, which must be smaller than the distance to the solution.
        growth_rate: $\gamma$, the most that $d$ may grow by in one update, such as 1.02.

    State variables: `alpha`, the sum of squared gradients, `s`, the weighted sum of gradients, and
    `p0`, the initial parameter; for the whole model `d` and `q`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import dadapt_adagrad
        >>> weights = np.ones(3)
        >>> learner = dadapt_adagrad([weights])
        >>> all(learner.update([weights.copy()]) for _ in range(100))
        True
        >>> weights.round(3), round(learner.model_state["d"], 3)
        (array([0.782, 0.782, 0.782]), 0.209)

    References:
        Defazio and Mishchenko, [Learning-Rate-Free Learning by
        D-Adaptation](https://arxiv.org/abs/2301.07733), 2023.
    """
    alpha, s, p0 = state("alpha", init=1e-6), state("s"), state("p0", init=p)
    d, q = state("d", init=d0, shape="model"), state("q", shape="model")
    a = let("a", d * lr)
    g = g + weight_decay * p
    root = let("root", sqrt(assign(alpha, alpha + g**2)) + eps)
    s_new = assign(s, s + a * g)
    q_new = assign(q, q + a**2 * sum(g**2 / root, over="model"))
    s_sum = sum(abs(s_new), over="model")
    d_hat = let("d_hat", (sum(s_new**2 / root, over="model") - q_new) / s_sum)
    larger = maximum(d, minimum(d_hat, growth_rate * d))
    d_new = assign(d, where(equal(s_sum, 0), d, larger))
    p_new = assign(p, momentum * p + (1 - momentum) * (p0 - s_new / root))
    return combine([p_new, assign(p0, p0), d_new])
