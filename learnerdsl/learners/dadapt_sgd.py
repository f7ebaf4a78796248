"""D-Adaptation of SGD: the learning rate is estimated while training."""

from learnerdsl import assign, combine, equal, let, maximum, minimum, norm, rule, state, sum, where


@rule
def dadapt_sgd(p, g, lr=1.0, momentum=0.0, weight_decay=0.0, d0=1e-6, growth_rate=float("inf")):
    r"""D-Adapt SGD: SGD whose learning rate is an estimate of the distance to the solution.

    $$a = \frac{d\, \eta}{\lVert g_1 \rVert} \qquad
    g \leftarrow g + \lambda p \qquad
    n \leftarrow n + a \langle g, s \rangle \qquad
    s \leftarrow s + a g$$

    $$d \leftarrow \max\left( d,\, \min\left( \frac{2 n}{\lVert s \rVert},\,
    \gamma d \right) \right) \qquad
    p \leftarrow \mu p + (1 - \mu) (p_0 - s)$$

    with norms and products over the whole model, and $g_1$ the first gradient. For problems that
    plain SGD solves. Leave `lr` at 1, or give it a schedule that goes from 1 to 0. The estimate
    never falls; if training is unstable, limit its growth. Follows `dadaptation.DAdaptSGD`: the
    norm of $g_1$ does not include the decay.

    Args:
        p: the parameter.
        g: its gradient.
        lr: factor $\eta$ of the estimated rate, the same for all groups.
        momentum: share $\mu$ of the parameter in its average with $p_0 - s$.
        weight_decay: coefficient $\lambda$ of the L2 penalty.
        d0: the first $d$, which must be smaller than the distance to the solution.
        growth_rate: $\gamma$, the most that $d$ may grow by in one update, such as 1.02.

    State variables: `s`, the weighted sum of gradients, and `p0`, the initial parameter; for the
    whole model `d`, `n` and `g1_norm`, the norm of the first gradient that is not 0.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import dadapt_sgd
        >>> weights = np.ones(3)
        >>> learner = dadapt_sgd([weights])
        >>> all(learner.update([weights.copy()]) for _ in range(100))
        True
        >>> weights.round(3), round(learner.model_state["d"], 3)
        (array([0., 0., 0.]), 1.503)

    References:
        Defazio and Mishchenko, [Learning-Rate-Free Learning by
        D-Adaptation](https://arxiv.org/abs/2301.07733), 2023.
    """
    s, p0 = state("s"), state("p0", init=p)
    d, n = state("d", init=d0, shape="model"), state("n", shape="model")
    g1_norm = state("g1_norm", shape="model")
    first = assign(g1_norm, where(equal(g1_norm, 0), norm(g, over="model"), g1_norm))
    a = let("a", where(equal(first, 0), 0, d * lr / first))
    g = g + weight_decay * p
    n_new = assign(n, n + sum(a * g * s, over="model"))
    s_new = assign(s, s + a * g)
    s_norm = norm(s_new, over="model")
    d_hat = let("d_hat", 2 * n_new / s_norm)
    larger = maximum(d, minimum(d_hat, growth_rate * d))
    d_new = assign(d, where(equal(s_norm, 0), d, larger))
    return combine([assign(p, momentum * p + (1 - momentum) * (p0 - s_new)), assign(p0, p0), d_new])
