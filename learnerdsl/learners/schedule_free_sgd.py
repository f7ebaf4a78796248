"""Schedule-free SGD: an average of the weights in place of a falling learning rate."""

from learnerdsl import assign, combine, evaluate, let, maximum, minimum, rule, state, step
from learnerdsl.learners._schedule_free import average_of, share_of_newest


@rule
def schedule_free_sgd(
    p, g, lr=1.0, beta=0.9, weight_decay=0.0, warmup_steps=0.0, r=0.0, weight_lr_power=2.0
):
    r"""Schedule-free SGD: gradients at a point between the newest weights and their average.

    $$\eta_t = \eta \min(1, t / T) \qquad
    w_t = t^r \left( \max_{i \le t} \eta_i \right)^q \qquad
    c = \frac{w_t}{\sum_{i \le t} w_i} \qquad
    g \leftarrow g + \lambda p$$

    $$z' = z - \eta_t g \qquad
    x' = (1 - c)\, x + c z' \qquad
    p' = \beta x' + (1 - \beta) z'$$

    The parameters are the paper's $y$, where gradients are taken, and $x$ is not stored. Needs no
    schedule, so the length of training need not be known in advance; use a larger rate than with
    momentum. Evaluate with `learner.evaluation_parameters()`, which is $x$: the parameters
    themselves are worse. Follows `schedulefree.SGDScheduleFree`; `optax.contrib.schedule_free_sgd`
    is the same without warm-up.

    Args:
        p: the parameter.
        g: its gradient, at the parameter.
        lr: learning rate $\eta$, the same for all groups.
        beta: share $\beta$ of the average in the parameter, above 0; takes the place of momentum.
            With 0 the average is lost, and the parameters are those to evaluate with.
        weight_decay: coefficient $\lambda$ of the L2 penalty.
        warmup_steps: $T$, number of updates in which the rate rises to `lr`.
        r: power of the step in the weights of the average.
        weight_lr_power: $q$, power of the rate in the weights of the average.

    State variables: `z`, the weights of plain SGD; for each tensor `lr_max` and `weight_sum`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import schedule_free_sgd
        >>> weights = np.ones(3, np.float32)
        >>> learner = schedule_free_sgd([weights], lr=0.1)
        >>> [learner.update([weights.copy()]) for _ in range(2)]
        [True, True]
        >>> weights.round(4)
        array([0.8505, 0.8505, 0.8505], dtype=float32)
        >>> learner.evaluation_parameters()[0].round(4)
        array([0.855, 0.855, 0.855], dtype=float32)

    References:
        Defazio et al., [The Road Less Scheduled](https://arxiv.org/abs/2405.15682), 2024.
    """
    z = state("z", init=p)
    lr_t = let("lr_t", lr * minimum(1, step / maximum(1, warmup_steps)))
    c = share_of_newest(lr_t, r, weight_lr_power)
    g = g + weight_decay * p
    z_new = assign(z, z - lr_t * g)
    # x is eliminated: x = (p - (1 - beta) z) / beta.
    p_new = assign(p, p + c * (z - p) - lr_t * (1 - beta * (1 - c)) * g)
    evaluate(average_of(p_new, z_new, beta))
    return combine([p_new, z_new])
