"""Weights to evaluate with that lean towards their mean over the last steps."""

from learnerdsl import assign, evaluate, let, state, step, transform, where


@transform(place="after")
def tail_ema(p, new, tail_start=0, tail_steps=150.0, tail_share=0.6):
    r"""Keep a mean of the weights from a given step on, and evaluate between both.

    $$a \leftarrow \begin{cases} p' & t \le s \\ a + (p' - a) / \tau & \text{else} \end{cases}
    \qquad \text{evaluated: } (1 - \lambda)\, p' + \lambda a$$

    For the end of a run: a share of the mean takes out what weights oscillate by, and the other
    share keeps up with the loss that still falls, where `ema` and `swa` lag behind. Training does
    not change; `learner.evaluation_parameters()` returns the weights to evaluate with.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        tail_start: $s$, the step at which the mean begins.
        tail_steps: $\tau$, the number of steps that the mean is over, 1 or more.
        tail_share: $\lambda$, the share of the mean.

    State variables: `tail_average`, $a$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import tail_ema
        >>> weights = np.zeros(1, np.float32)
        >>> learner = chain(sgd, tail_ema)([weights], lr=1.0, tail_start=1, tail_steps=2.0)
        >>> for _ in range(2):
        ...     _ = learner.update([-np.ones(1, np.float32)])
        >>> weights, learner.evaluation_parameters()[0]
        (array([2.], dtype=float32), array([1.7], dtype=float32))

    References:
        [modded-nanogpt, track 3](https://github.com/KellerJordan/modded-nanogpt/pull/325), 2026.
    """
    average = state("tail_average", init=p)
    share = let("tail_weight", where(step <= tail_start, 1, 1 / tail_steps))
    assign(average, average + share * (new - average))
    evaluate((1 - tail_share) * p + tail_share * average)
    return new
