"""Schedule-free RAdam: a schedule-free learner with a built-in warm-up."""

from learnerdsl import assign, combine, evaluate, let, rule, sqrt, state, step, where
from learnerdsl.learners._schedule_free import average_of, share_of_newest


@rule
def schedule_free_radam(
    p,
    g,
    lr=2.5e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    r=0.0,
    weight_lr_power=2.0,
    silent_sgd_phase=True,
):
    r"""Schedule-free RAdam: schedule-free AdamW with RAdam's rectification as its warm-up.

    $$\rho_\infty = \frac{2}{1 - \beta_2} - 1 \qquad
    \rho = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t} \qquad
    \eta_t = \eta \sqrt{\frac{(\rho - 4)(\rho - 2)\, \rho_\infty}
    {(\rho_\infty - 4)(\rho_\infty - 2)\, \rho}}$$

    $$v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    u = \frac{g}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} + \lambda p$$

    $$z' = z - \eta_t u \qquad
    x' = (1 - c)\, x + c z' \qquad
    p' = \beta_1 x' + (1 - \beta_1) z'$$

    where $\rho > 4$, with $c$ of `schedule_free_sgd`. In the few updates before that, $\eta_t = 0$
    and only $v$ changes (or, without the silent phase, $\eta_t = \eta$ and $u = g + \lambda p$).
    There is neither a schedule nor a warm-up to tune. Evaluate with
    `learner.evaluation_parameters()`, which is $x$. Follows `schedulefree.RAdamScheduleFree`.

    Args:
        p: the parameter.
        g: its gradient, at the parameter.
        lr: learning rate $\eta$, the same for all groups.
        beta1: share $\beta_1$ of the average in the parameter, above 0.
        beta2: share $\beta_2$ of the mean squared gradient that is kept, above 0.6.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$, taken at the parameter.
        r: power of the step in the weights of the average.
        weight_lr_power: power of the rate in the weights of the average.
        silent_sgd_phase: whether the parameters wait for $\rho > 4$.

    State variables: `z`, the weights without averaging, and `v`; `lr_max` and `weight_sum`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import schedule_free_radam
        >>> weights = np.ones(3, np.float32)
        >>> learner = schedule_free_radam([weights], lr=0.1)
        >>> all(learner.update([weights.copy()]) for _ in range(7))
        True
        >>> weights.round(4)
        array([0.9942, 0.9942, 0.9942], dtype=float32)
        >>> learner.evaluation_parameters()[0].round(4)
        array([0.9944, 0.9944, 0.9944], dtype=float32)

    References:
        Defazio et al., [The Road Less Scheduled](https://arxiv.org/abs/2405.15682), 2024, and
        Liu et al., [On the Variance of the Adaptive Learning Rate and
        Beyond](https://arxiv.org/abs/1908.03265), 2020.
    """
    z, v = state("z", init=p), state("v")
    rho_inf = let("rho_inf", 2 / (1 - beta2) - 1)
    rho = let("rho", rho_inf - 2 * step * beta2**step / (1 - beta2**step))
    square = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
    lr_t = let("lr_t", lr * where(rho > 4, sqrt(square), 0 if silent_sgd_phase else 1))
    c = share_of_newest(lr_t, r, weight_lr_power)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    adam = g / (sqrt(v_new / (1 - beta2**step)) + eps)
    u = let("u", where(rho > 4, adam, g) + weight_decay * p)
    z_new = assign(z, z - lr_t * u)
    p_new = assign(p, p + c * (z - p) - lr_t * (1 - beta1 * (1 - c)) * u)
    evaluate(average_of(p_new, z_new, beta1))
    return combine([p_new, z_new])
