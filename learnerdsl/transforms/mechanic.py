"""Mechanic: a learned scale for the steps of a rule, in place of a tuned learning rate."""

import functools
import operator
from typing import Any

from learnerdsl import abs, assign, let, maximum, minimum, norm, sqrt, state, sum, transform
from learnerdsl.options import whole_from


def _next_scale(k: int, s: Any, h: Any, wager: Any, eps: Any) -> Any:
    """Return the new scale of tuner `k`, which remembers about 10^k updates."""
    beta = 1 - 0.1**k
    m, v, r = (state(f"mechanic_{name}_{k}", shape="model") for name in "mvr")
    m_new = assign(m, maximum(beta * m, abs(h) + eps))
    v_new = assign(v, beta**2 * v + h**2)
    r_new = assign(r, beta * r + minimum(maximum(h, -m), m) * s)
    return assign(s, (wager * m_new + maximum(r_new, 0)) / (sqrt(v_new) + eps))


@transform(place="after")
def mechanic(
    p, new, g, mechanic_decay=1e-2, mechanic_init=1e-6, mechanic_eps=1e-8, mechanic_betas=6
):
    r"""Learn by what number the steps of a rule, of any learning rate, are best multiplied.

    $$S = \sum_k s_k \qquad \Delta = \frac{x_0 - p}{S + \epsilon} \qquad
    h = \left\langle g + \lambda S \frac{\lVert g \rVert}{\lVert p \rVert + \epsilon}\, p,\
    \Delta \right\rangle$$

    $$m_k' = \max(\beta_k m_k, |h| + \epsilon) \qquad v_k' = \beta_k^2 v_k + h^2 \qquad
    r_k' = \beta_k r_k + \min(\max(h, -m_k), m_k)\, s_k$$

    $$s_k' = \frac{\frac{s_0}{n} m_k' + \max(r_k', 0)}{\sqrt{v_k'} + \epsilon} \qquad
    p' \leftarrow x_0 - S' (\Delta - (p' - p))$$

    for $k$ from 1 to $n$ with $\beta_k = 1 - 10^{-k}$; norms and products are over the whole model,
    and $x_0$ is the first parameter. $S$ is the learned factor: take a schedule from 1 to 0 for the
    rate of the rule. For SGD with momentum, Adam and Lion, where the size of steps is not known.
    Not for rules that normalise by the weights, such as `lamb`, which would see their own effect.
    The first updates are short, as $S$ grows from nearly 0. Follows `optax.contrib.mechanize`.

    Args:
        p: the parameter before the update.
        new: its new value $p'$, by the rule.
        g: the gradient that the rule gets.
        mechanic_decay: $\lambda$, decay in the gradient by which $S$ is learned; not that of a
            rule.
        mechanic_init: $s_0$, where each $s_k$ starts.
        mechanic_eps: $\epsilon$.
        mechanic_betas: number $n$ of memories, 1 or more.

    State variables: `mechanic_start`, $x_0$; for the whole model `mechanic_s_1` and on, $s_k$, and
    likewise `mechanic_m_1`, `mechanic_v_1` and `mechanic_r_1`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import mechanic
        >>> weights = np.array([3.0, -4.0])
        >>> learner = chain(sgd, mechanic)([weights], lr=1.0)
        >>> all(learner.update([2 * weights]) for _ in range(100))
        True
        >>> weights.round(3)
        array([ 0.012, -0.016])

    References:
        Cutkosky, Defazio and Mehta, [Mechanic: A Learning Rate
        Tuner](https://arxiv.org/abs/2306.00144), 2023.
    """
    start = state("mechanic_start", init=p)
    assign(start, start)
    numbers = range(1, whole_from(1, "mechanic_betas", mechanic_betas) + 1)
    scales = [state(f"mechanic_s_{k}", init=mechanic_init, shape="model") for k in numbers]
    s_sum = let("s_sum", functools.reduce(operator.add, scales))
    ratio = norm(g, over="model") / (norm(p, over="model") + mechanic_eps)
    delta = (start - p) / (s_sum + mechanic_eps)
    of_decay = mechanic_decay * s_sum * ratio * sum(p * delta, over="model")
    h = let("h", sum(g * delta, over="model") + of_decay)
    wager = mechanic_init / len(numbers)
    next_scales = [
        _next_scale(k, s, h, wager, mechanic_eps) for k, s in zip(numbers, scales, strict=True)
    ]
    s_new = let("s_sum_new", functools.reduce(operator.add, next_scales))
    return p + (1 - s_new / (s_sum + mechanic_eps)) * (start - p) + s_new * (new - p)
