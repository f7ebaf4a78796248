"""Gradients taken ahead of the weights, along their mean movement."""

from learnerdsl import assign, evaluate, state, transform


@transform(place="after")
def ema_nesterov(p, new, ahead=0.3, ahead_decay=0.99):
    r"""Put the weights ahead of where the rule left them, along their mean movement.

    $$m \leftarrow \gamma m + (1 - \gamma) (p' - w) \qquad w \leftarrow p' \qquad
    p' \leftarrow w + \alpha m$$

    $w$ are the weights that the rule has reached; `learner.evaluation_parameters()` returns them.
    The parameters are ahead of them by $\alpha m$, so that the next gradient is taken there: it is
    Nesterov's momentum around any rule, with a mean over some hundred steps. The paper lets
    $\alpha$ fall with the learning rate, and starts it late: give `ahead` a schedule.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        ahead: $\alpha$, how far ahead the parameters are.
        ahead_decay: share $\gamma$ of the mean movement that is kept.

    State variables: `reached`, $w$; `movement`, $m$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import ema_nesterov
        >>> weights = np.zeros(1, np.float32)
        >>> learner = chain(sgd, ema_nesterov)([weights], lr=1.0, ahead=0.5, ahead_decay=0.5)
        >>> learner.update([-np.ones(1, np.float32)])
        True
        >>> weights, learner.evaluation_parameters()[0]
        (array([1.25], dtype=float32), array([1.], dtype=float32))

    References:
        [EMA-Nesterov: Stabilizing Nesterov's Lookahead for Accelerated Deep Learning
        Optimization](https://arxiv.org/abs/2605.25395), 2026.
    """
    reached, movement = state("reached", init=p), state("movement")
    mean = assign(movement, ahead_decay * movement + (1 - ahead_decay) * (new - reached))
    assign(reached, new)
    evaluate(reached)
    return new + ahead * mean
