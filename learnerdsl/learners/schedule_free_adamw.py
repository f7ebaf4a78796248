"""Schedule-free AdamW: an average of the weights in place of a falling learning rate."""

from learnerdsl import assign, combine, evaluate, let, maximum, minimum, rule, sqrt, state, step
from learnerdsl.learners._schedule_free import average_of, share_of_newest


@rule
def schedule_free_adamw(
    p,
    g,
    lr=2.5e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    warmup_steps=0.0,
    r=0.0,
    weight_lr_power=2.0,
):
    r"""Schedule-free AdamW: the average of the weights replaces momentum and schedule.

    $$v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    u = \frac{g}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} + \lambda p$$

    $$z' = z - \eta_t u \qquad
    x' = (1 - c)\, x + c z' \qquad
    p' = \beta_1 x' + (1 - \beta_1) z'$$

    with $\eta_t$ and $c$ of `schedule_free_sgd`. Needs as much memory as AdamW, and the length of
    training need not be known in advance. Give it a warm-up, and try rates several times those of
    AdamW. Evaluate with `learner.evaluation_parameters()`, which is $x$. Follows
    `schedulefree.AdamWScheduleFree`; `optax.contrib.schedule_free_adamw` is the same without
    warm-up.

    Args:
        p: the parameter.
        g: its gradient, at the parameter.
        lr: learning rate $\eta$, the same for all groups.
        beta1: share $\beta_1$ of the average in the parameter, above 0.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$, taken at the parameter.
        warmup_steps: number of updates in which the rate rises to `lr`.
        r: power of the step in the weights of the average.
        weight_lr_power: power of the rate in the weights of the average.

    State variables: `z`, the weights without averaging, and `v`; `lr_max` and `weight_sum`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import schedule_free_adamw
        >>> weights = np.ones(3, np.float32)
        >>> learner = schedule_free_adamw([weights], lr=0.1)
        >>> [learner.update([weights.copy()]) for _ in range(2)]
        [True, True]
        >>> weights.round(4)
        array([0.848, 0.848, 0.848], dtype=float32)
        >>> learner.evaluation_parameters()[0].round(4)
        array([0.8527, 0.8527, 0.8527], dtype=float32)

    References:
        Defazio et al., [The Road Less Scheduled](https://arxiv.org/abs/2405.15682), 2024.
    """
    z, v = state("z", init=p), state("v")
    lr_t = let("lr_t", lr * minimum(1, step / maximum(1, warmup_steps)))
    c = share_of_newest(lr_t, r, weight_lr_power)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    u = let("u", g / (sqrt(v_new / (1 - beta2**step)) + eps) + weight_decay * p)
    z_new = assign(z, z - lr_t * u)
    p_new = assign(p, p + c * (z - p) - lr_t * (1 - beta1 * (1 - c)) * u)
    evaluate(average_of(p_new, z_new, beta1))
    return combine([p_new, z_new])
