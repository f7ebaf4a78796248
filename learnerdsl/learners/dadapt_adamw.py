"""D-Adaptation of AdamW: the learning rate is estimated while training."""

from learnerdsl import (
    abs,
    assign,
    combine,
    equal,
    let,
    maximum,
    rule,
    sqrt,
    state,
    step,
    sum,
    where,
)


@rule
def dadapt_adamw(p, g, lr=1.0, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, d0=1e-6):
    r"""D-Adapt AdamW: AdamW whose learning rate is an estimate of the distance to the solution.

    $$a = d\, \eta\, \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \qquad
    r \leftarrow \sqrt{\beta_2}\, r + (1 - \sqrt{\beta_2})\, a
    \left\langle g, \frac{s}{\sqrt{v} + \epsilon} \right\rangle \qquad
    s \leftarrow \sqrt{\beta_2}\, s + (1 - \sqrt{\beta_2})\, a g$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, a g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    p \leftarrow p - \frac{m}{\sqrt{v} + \epsilon} - a \lambda p$$

    $$d \leftarrow \max\left( d,\,
    \frac{r}{(1 - \sqrt{\beta_2}) \lVert s \rVert_1} \right)$$

    with sums over the whole model. Finds a rate near that of a tuned AdamW. Leave `lr` at 1, or
    give it a schedule that goes from 1 to 0. The estimate never falls, so erratic gradients at the
    start can spoil it. `prodigy` finds the rate sooner. Follows `optax.contrib.dadapt_adamw`; the
    package `dadaptation` has no bias correction by default.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ of the estimated rate, the same for all groups.
        beta1: share $\beta_1$ of the mean step that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.
        d0: the first $d$, which must be smaller than the distance to the solution.

    State variables: `m`, `v` and `s`, the weighted sum of gradients; for the whole model `d` and
    `r`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import dadapt_adamw
        >>> weights = np.ones(3)
        >>> learner = dadapt_adamw([weights])
        >>> all(learner.update([weights.copy()]) for _ in range(100))
        True
        >>> weights.round(3), round(learner.model_state["d"], 3)
        (array([0.007, 0.007, 0.007]), 1.165)

    References:
        Defazio and Mishchenko, [Learning-Rate-Free Learning by
        D-Adaptation](https://arxiv.org/abs/2301.07733), 2023.
    """
    m, v, s = state("m"), state("v"), state("s")
    d, r = state("d", init=d0, shape="model"), state("r", shape="model")
    root = let("root", sqrt(beta2))
    a = let("a", d * lr * sqrt(1 - beta2**step) / (1 - beta1**step))
    r_new = assign(r, root * r + (1 - root) * a * sum(g * s / (sqrt(v) + eps), over="model"))
    s_new = assign(s, root * s + (1 - root) * a * g)
    m_new = assign(m, beta1 * m + (1 - beta1) * a * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    p_new = assign(p, p - m_new / (sqrt(v_new) + eps) - a * weight_decay * p)
    s_sum = sum(abs(s_new), over="model")
    d_hat = let("d_hat", r_new / ((1 - root) * s_sum))
    return combine([p_new, assign(d, where(equal(s_sum, 0), d, maximum(d, d_hat)))])
