"""Prodigy: Adam whose learning rate is estimated from how far the parameters have moved."""

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
    step,
    sum,
    where,
)


@rule
def prodigy(
    p,
    g,
    lr=1.0,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    d0=1e-6,
    d_coef=1.0,
    safeguard_warmup=False,
):
    r"""Prodigy: AdamW whose learning rate is estimated while training.

    $$a = d\, \eta\, \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \qquad
    r \leftarrow \sqrt{\beta_2}\, r + \frac{d}{d_0} a \langle g, p_0 - p \rangle \qquad
    s \leftarrow \sqrt{\beta_2}\, s + \frac{d}{d_0} a g$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, d g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, d^2 g^2$$

    $$d' = \max\left( d,\, \kappa \frac{r}{\lVert s \rVert_1} \right) \qquad
    p \leftarrow p - a \frac{m}{\sqrt{v} + d' \epsilon} - a \lambda p$$

    with sums over the whole model. The first rule to try where no learning rate is known. Leave
    `lr` at 1, or give it a schedule that goes from 1 to 0. It keeps four states for each element,
    and the estimate never falls. Follows `optax.contrib.prodigy`, which always corrects the bias
    (`prodigy_official` does not) and, unlike the paper, multiplies $\epsilon$ by the new $d$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ of the estimated rate, the same for all groups.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.
        d0: the first $d$, which must be smaller than the distance to the solution.
        d_coef: $\kappa$, factor of the estimate; the one to tune, between 0.5 and 2.
        safeguard_warmup: whether $s$ has $d$ in place of $a$, for a long warm-up of `lr`.

    State variables: `m`, `v`, the sum `s` of gradients, the initial parameter `p0`; for the whole
    model `d` and `r`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import prodigy
        >>> weights = np.ones(3)
        >>> learner = prodigy([weights])
        >>> all(learner.update([weights.copy()]) for _ in range(100))
        True
        >>> weights.round(3), round(learner.model_state["d"], 3)
        (array([0.015, 0.015, 0.015]), 0.466)

    References:
        Mishchenko and Defazio, [Prodigy: An Expeditiously Adaptive Parameter-Free
        Learner](https://arxiv.org/abs/2306.06101), 2023.
    """
    m, v, s, p0 = state("m"), state("v"), state("s"), state("p0", init=p)
    d, r = state("d", init=d0, shape="model"), state("r", shape="model")
    a = let("a", d * lr * sqrt(1 - beta2**step) / (1 - beta1**step))
    m_new = assign(m, beta1 * m + (1 - beta1) * d * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * (d * g) ** 2)
    r_new = assign(r, sqrt(beta2) * r + d / d0 * a * sum(g * (p0 - p), over="model"))
    s_new = assign(s, sqrt(beta2) * s + d / d0 * (d if safeguard_warmup else a) * g)
    s_sum = sum(abs(s_new), over="model")
    d_hat = let("d_hat", d_coef * r_new / s_sum)
    d_new = assign(d, where(equal(s_sum, 0), d, maximum(d, d_hat)))
    p_new = assign(p, p - a * (m_new / (sqrt(v_new) + d_new * eps) + weight_decay * p))
    return combine([p_new, assign(p0, p0)])


@rule
def prodigy_official(
    p,
    g,
    lr=1.0,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    d0=1e-6,
    d_coef=1.0,
    growth_rate=float("inf"),
    bias_correction=False,
    safeguard_warmup=False,
):
    r"""Prodigy as its authors publish it: no bias correction, and a limit on the growth of $d$.

    The formula of `prodigy` with $a = d\, \eta$, and in place of its $d'$

    $$\hat{d} = \kappa \frac{r}{\lVert s \rVert_1} \qquad
    d_{\max} \leftarrow \max(d_{\max}, \hat{d}) \qquad
    d' = \min(d_{\max}, \gamma \tilde{d})$$

    where $\tilde{d}$ is $\max(d, \hat{d})$ while $d = d_0$, then $d$. Without bias correction early
    steps are larger. A `growth_rate` of 1.02 is itself a warm-up. Follows `prodigyopt.Prodigy`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ of the estimated rate, the same for all groups.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.
        d0: the first $d$, which must be smaller than the distance to the solution.
        d_coef: $\kappa$, factor of the estimate; the one to tune, between 0.5 and 2.
        growth_rate: $\gamma$, the most that $d$ may grow by in one update.
        bias_correction: whether to use the $a$ of `prodigy`.
        safeguard_warmup: whether $s$ has $d$ in place of $a$, for a long warm-up of `lr`.

    State variables: `m`, `v`, `s` and `p0`; for the whole model `d`, `d_max` and `r`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import prodigy_official
        >>> weights = np.ones(3)
        >>> learner = prodigy_official([weights])
        >>> all(learner.update([weights.copy()]) for _ in range(100))
        True
        >>> weights.round(3), round(learner.model_state["d"], 3)
        (array([-0.001, -0.001, -0.001]), 0.42)

    References:
        Mishchenko and Defazio, [Prodigy](https://arxiv.org/abs/2306.06101), 2023.
    """
    m, v, s, p0 = state("m"), state("v"), state("s"), state("p0", init=p)
    d, r = state("d", init=d0, shape="model"), state("r", shape="model")
    d_max = state("d_max", init=d0, shape="model")
    correction = sqrt(1 - beta2**step) / (1 - beta1**step) if bias_correction else 1
    a = let("a", d * lr * correction)
    m_new = assign(m, beta1 * m + (1 - beta1) * d * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * (d * g) ** 2)
    r_new = assign(r, sqrt(beta2) * r + d / d0 * a * sum(g * (p0 - p), over="model"))
    s_new = assign(s, sqrt(beta2) * s + d / d0 * (d if safeguard_warmup else a) * g)
    s_sum = sum(abs(s_new), over="model")
    d_hat = let("d_hat", where(equal(s_sum, 0), d, d_coef * r_new / s_sum))
    d_max_new = assign(d_max, maximum(d_max, d_hat))
    base = let("base", where(equal(d, d0), maximum(d, d_hat), d))
    d_new = assign(d, minimum(d_max_new, growth_rate * base))
    p_new = assign(p, p - a * (m_new / (sqrt(v_new) + d_new * eps) + weight_decay * p))
    return combine([p_new, assign(p0, p0)])
