"""ScheduleFree+: AdamC with an average of the weights, and a learning rate from the loss."""

import math

from learnerdsl import (
    abs,
    assign,
    combine,
    equal,
    evaluate,
    extra,
    let,
    maximum,
    rule,
    sqrt,
    state,
    step,
    sum,
    where,
)
from learnerdsl.learners._schedule_free import average_of

NORM_OF_GAUSSIANS = math.sqrt(math.pi / 2)
"""Root mean square of normal numbers over the mean of their absolute values."""


def _polyak_step(g, z_from_x, polyak_beta):
    """Return the step to where the linear model of the loss at x is 0, in units of Adam's step."""
    l1_mean = state("l1_mean", shape="model")
    l1 = NORM_OF_GAUSSIANS * sum(abs(g), over="model")
    l1_new = assign(l1_mean, polyak_beta * l1_mean + (1 - polyak_beta) * l1)
    model = extra("loss") + sum(g * z_from_x, over="model")
    polyak = maximum(model, 0) * (1 - polyak_beta**step) / l1_new
    return l1_new, let("polyak", where(equal(l1_new, 0), 0, polyak))


def _share_of_newest(lr_t, average_from, r, weight_lr_power):
    """Return the share of z in the average x, which is all of it before the average begins."""
    lr_max, weight_sum = state("lr_max", shape="tensor"), state("weight_sum", shape="tensor")
    lr_max_new = assign(lr_max, maximum(lr_max, lr_t))
    is_warm = step > average_from
    weight = let("weight", where(is_warm, step**r * lr_max_new**weight_lr_power, 0))
    total = assign(weight_sum, weight_sum + weight)
    share = where(equal(total, 0), 0, weight / total)
    return let("share", where(is_warm, share, 1))


@rule
def schedule_free_plus(
    p,
    g,
    lr=1.0,
    beta1=0.9,
    beta2=0.95,
    sf_beta=0.9,
    eps=1e-8,
    weight_decay=0.0,
    polyak_beta=0.0,
    average_from=0.0,
    r=0.0,
    weight_lr_power=2.0,
):
    r"""ScheduleFree+: schedule-free AdamC whose rate follows from the loss, by Polyak's rule.

    $$a \leftarrow \beta_p a + (1 - \beta_p) \sqrt{\pi / 2}\, \lVert g \rVert_1 \qquad
    \eta_t = \eta \frac{\max(0, f + \beta \langle g, z - x \rangle)}{a / (1 - \beta_p^t)}$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    u = \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$

    $$z \leftarrow z - \eta_t^2 \lambda p - \eta_t u \qquad
    x \leftarrow (1 - c)\, x + c z \qquad
    p \leftarrow \beta x + (1 - \beta) z$$

    where $f$ is the loss, and norm and product are over the whole model; $c$ is that of
    `schedule_free_sgd`, and 1 in the first `average_from` updates. Needs neither a learning rate
    nor a schedule but a warm-up: give `lr` one that ends at 1. It is for losses whose least value
    is near 0, as those of large language models are beside their first one. The decay is multiplied
    by $\eta_t^2$, so it is 20 or 50 rather than 0.1. Evaluate with
    `learner.evaluation_parameters()`, which is $x$. Follows the authors'
    `AdamCScheduleFreePlusPaper`, but that $a$ is corrected when it is used and not when it is kept,
    and that $x$ follows from $p$ and $z$. `sf_beta` may have a schedule, for their annealing.

    Args:
        p: the parameter.
        g: its gradient, at the parameter.
        lr: factor $\eta$ of Polyak's step, the same for all groups.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        sf_beta: share $\beta$ of the average in the parameter, above 0; the same for all groups.
        eps: $\epsilon$, added to the root.
        weight_decay: decay $\lambda$, taken at the parameter.
        polyak_beta: share $\beta_p$ of the mean norm that is kept.
        average_from: number of updates before the average begins; one or two times the warm-up.
        r: power of the step in the weights of the average.
        weight_lr_power: power of the rate in the weights of the average.

    `update` also takes the `loss` $f$.

    State variables: `z`, the weights without averaging; `m` and `v`, the running means of the
    gradient and of its square; `lr_max` and `weight_sum` of each tensor; for the whole model
    `l1_mean`, $a$, and `beta_last`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import schedule_free_plus
        >>> weights = np.array([3.0, 4.0], np.float32)
        >>> learner = schedule_free_plus([weights])
        >>> for _ in range(3):
        ...     _ = learner.update([2 * weights], loss=float(weights @ weights))
        ...     print(weights.round(3))
        [1.575 2.575]
        [1.119 2.107]
        [0.85  1.827]

    References:
        Defazio et al., [schedule_free](https://github.com/facebookresearch/schedule_free),
        `adamc_schedulefree_plus_paper.py`, 2026; [The Road Less
        Scheduled](https://arxiv.org/abs/2405.15682), 2024.
    """
    z, m, v = state("z", init=p), state("m"), state("v")
    beta_last = state("beta_last", init=1, shape="model")
    growth = let("growth", sf_beta / beta_last)
    l1_new, polyak = _polyak_step(g, growth * (z - p), polyak_beta)
    lr_t = let("lr_t", lr * polyak)
    share = _share_of_newest(lr_t, average_from, r, weight_lr_power)
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    u = m_new / (1 - beta1**step) / (sqrt(v_new / (1 - beta2**step)) + eps)
    change = let("change", lr_t**2 * weight_decay * p + lr_t * u)
    z_new = assign(z, z - change)
    kept = let("kept", 1 - share)
    p_new = assign(p, p + (1 - growth * kept) * (z - p) - (1 - sf_beta * kept) * change)
    beta_new = assign(beta_last, sf_beta)
    evaluate(average_of(p_new, z_new, beta_new))
    return combine([p_new, z_new, beta_new, l1_new])
