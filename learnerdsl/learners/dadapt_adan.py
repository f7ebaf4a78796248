"""D-Adaptation of Adan: the learning rate is estimated while training."""

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
def dadapt_adan(
    p,
    g,
    lr=1.0,
    beta1=0.98,
    beta2=0.92,
    beta3=0.99,
    eps=1e-8,
    weight_decay=0.02,
    d0=1e-6,
    growth_rate=float("inf"),
):
    r"""D-Adapt Adan: Adan whose learning rate is an estimate of the distance to the solution.

    $$a = d\, \eta \qquad \Delta = g - g_{t-1} \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, a g \qquad
    u \leftarrow \beta_2 u + (1 - \beta_2)\, a \Delta$$

    $$v \leftarrow \beta_3 v + (1 - \beta_3) (g + \beta_2 \Delta)^2 \qquad
    p \leftarrow \frac{p - (m + \beta_2 u) / (\sqrt{v} + \epsilon)}{1 + a \lambda}$$

    $$s \leftarrow \beta_3 s + (1 - \beta_3)\, a g \qquad
    q \leftarrow \beta_3 q + (1 - \beta_3)\, a^2 \sum \frac{g^2}{\sqrt{v} + \epsilon} \qquad
    \hat{d} = \frac{\frac{1}{1 - \beta_3} \sum \frac{s^2}{\sqrt{v} + \epsilon} - q}
    {\lVert s \rVert_1}$$

    with sums over the whole model; then $d \leftarrow \max(d, \min(\hat{d}, \gamma d))$. Its
    authors call it experimental: $d$ may keep growing where gradients vanish. Try `prodigy` first.
    Follows `dadaptation.DAdaptAdan`, without bias correction.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ of the estimated rate, the same for all groups.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean difference of gradients that is kept.
        beta3: share $\beta_3$ of the mean square that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: proximal weight decay $\lambda$.
        d0: the first $d$, which must be smaller than the distance to the solution.
        growth_rate: $\gamma$, the most that $d$ may grow by in one update.

    State variables: `m`, `u`, `v`, `s` and `last`, the last gradient; for the whole model `d` and
    `q`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import dadapt_adan
        >>> weights = np.ones(3)
        >>> learner = dadapt_adan([weights])
        >>> all(learner.update([weights.copy()]) for _ in range(100))
        True
        >>> weights.round(3), round(learner.model_state["d"], 3)
        (array([0., 0., 0.]), 107.857)

    References:
        Defazio and Mishchenko, [Learning-Rate-Free Learning by
        D-Adaptation](https://arxiv.org/abs/2301.07733), 2023, and Xie et al.,
        [Adan](https://arxiv.org/abs/2208.06677), 2022.
    """
    m, u, v, s = state("m"), state("u"), state("v"), state("s")
    last = state("last", init=g)
    d, q = state("d", init=d0, shape="model"), state("q", shape="model")
    a = let("a", d * lr)
    m_new = assign(m, beta1 * m + (1 - beta1) * a * g)
    u_new = assign(u, beta2 * u + (1 - beta2) * a * (g - last))
    v_new = assign(v, beta3 * v + (1 - beta3) * (g + beta2 * (g - last)) ** 2)
    s_new = assign(s, beta3 * s + (1 - beta3) * a * g)
    root = let("root", sqrt(v_new) + eps)
    p_new = assign(p, (p - (m_new + beta2 * u_new) / root) / (1 + a * weight_decay))
    q_new = assign(q, beta3 * q + (1 - beta3) * a**2 * sum(g**2 / root, over="model"))
    s_sum = sum(abs(s_new), over="model")
    d_hat = let("d_hat", (sum(s_new**2 / root, over="model") / (1 - beta3) - q_new) / s_sum)
    larger = maximum(d, minimum(d_hat, growth_rate * d))
    d_new = assign(d, where(equal(s_sum, 0), d, larger))
    return combine([p_new, assign(last, g), d_new])
