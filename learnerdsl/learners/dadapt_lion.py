"""D-Adaptation of Lion: the learning rate is estimated while training."""

from learnerdsl import (
    abs,
    assign,
    combine,
    equal,
    let,
    maximum,
    rule,
    sign,
    sqrt,
    state,
    sum,
    where,
)


@rule
def dadapt_lion(p, g, lr=1.0, beta1=0.9, beta2=0.99, weight_decay=0.0, d0=1e-6):
    r"""D-Adapt Lion: Lion whose learning rate is an estimate of the distance to the solution.

    $$a = d\, \eta \qquad
    u = \mathrm{sgn}(\beta_1 m + (1 - \beta_1)\, g) \qquad
    p \leftarrow (1 - a \lambda)\, p - a u \qquad
    m \leftarrow \beta_2 m + (1 - \beta_2)\, a g$$

    $$n \leftarrow \sqrt{\beta_2}\, n + (1 - \sqrt{\beta_2})\, a \langle u, s \rangle \qquad
    s \leftarrow \sqrt{\beta_2}\, s + (1 - \sqrt{\beta_2})\, a u$$

    $$d \leftarrow \max\left( d,\,
    \frac{n}{(1 - \sqrt{\beta_2}) \lVert s \rVert_1} \right)$$

    with sums over the whole model. For problems that suit Lion, without tuning its learning rate.
    Steps do not shrink near the solution, so give `lr` a schedule that ends at 0. Follows
    `dadaptation.DAdaptLion`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ of the estimated rate, the same for all groups.
        beta1: share $\beta_1$ of the momentum in the direction of a step.
        beta2: share $\beta_2$ of the momentum that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        d0: the first $d$, which must be smaller than the distance to the solution.

    State variables: `m` and `s`, the weighted sum of directions; for the whole model `d` and `n`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import dadapt_lion
        >>> weights = np.ones(3)
        >>> learner = dadapt_lion([weights])
        >>> all(learner.update([weights.copy()]) for _ in range(100))
        True
        >>> weights.round(3), round(learner.model_state["d"], 3)
        (array([0.204, 0.204, 0.204]), 0.558)

    References:
        Defazio and Mishchenko, [Learning-Rate-Free Learning by
        D-Adaptation](https://arxiv.org/abs/2301.07733), 2023, and Chen et al.,
        [Lion](https://arxiv.org/abs/2302.06675), 2023.
    """
    m, s = state("m"), state("s")
    d, n = state("d", init=d0, shape="model"), state("n", shape="model")
    root = let("root", sqrt(beta2))
    a = let("a", d * lr)
    u = let("u", sign(beta1 * m + (1 - beta1) * g))
    p_new = assign(p, (1 - a * weight_decay) * p - a * u)
    m_new = assign(m, beta2 * m + (1 - beta2) * a * g)
    n_new = assign(n, root * n + (1 - root) * a * sum(u * s, over="model"))
    s_new = assign(s, root * s + (1 - root) * a * u)
    s_sum = sum(abs(s_new), over="model")
    d_hat = let("d_hat", n_new / ((1 - root) * s_sum))
    return combine([p_new, m_new, assign(d, where(equal(s_sum, 0), d, maximum(d, d_hat)))])
