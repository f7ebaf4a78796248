"""Averages of the weights: exponential, over a run, and slow weights that lead the fast ones."""

from learnerdsl import assign, equal, evaluate, let, state, step, transform, where
from learnerdsl.options import whole_from


@transform(place="after")
def ema(p, new, decay=0.999):
    r"""Keeps an exponential average of the weights, beside them.

    $$a \leftarrow \beta a + (1 - \beta)\, p'$$

    Training goes on as without it; `learner.evaluation_parameters()` gives the average, which
    starts from the first weights. (`torch.optim.swa_utils` starts it after the first update.)

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        decay: share $\beta$ of the average that is kept.

    State variables: `average`, $a$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import ema
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, ema)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        Polyak and Juditsky, [Acceleration of stochastic approximation by
        averaging](https://doi.org/10.1137/0330046), 1992.
    """
    average = state("average", init=p)
    assign(average, decay * average + (1 - decay) * new)
    evaluate(average)
    return new


@transform(place="after")
def swa(p, new, swa_start=1, swa_every=1):
    r"""Keeps the mean of the weights at every k-th step from some step on.

    $$w_t = \begin{cases} 1 & t \le s \\ \frac{1}{1 + (t - s) / k} & k \mid t - s \\
    0 & \text{else} \end{cases} \qquad
    a \leftarrow a + w_t (p' - a)$$

    Stochastic weight averaging; `learner.evaluation_parameters()` gives the mean, and before step
    $s$ the weights. As `torch.optim.swa_utils.AveragedModel` updated at those steps.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        swa_start: step $s$ that is averaged first.
        swa_every: $k$, steps from one averaged to the next, 1 or more.

    State variables: `swa_average`, $a$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import swa
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, swa)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        Izmailov et al., [Averaging Weights Leads to Wider Optima and Better
        Generalization](https://arxiv.org/abs/1803.05407), 2018.
    """
    average = state("swa_average", init=p)
    since, every = step - swa_start, whole_from(1, "swa_every", swa_every)
    share = where(equal(since % every, 0), 1 / (1 + since / every), 0)
    weight = let("swa_weight", where(step <= swa_start, 1, share))
    assign(average, average + weight * (new - average))
    evaluate(average)
    return new


@transform(place="after")
def lookahead(p, new, sync_period=6, slow_step=0.5):
    r"""Pulls the weights back towards slow ones at every k-th step.

    $$\text{if } k \mid t: \quad s \leftarrow s + \alpha (p' - s) \qquad p' \leftarrow s$$

    Takes the jitter out of large steps. The slow weights start from the first weights. As
    `optax.lookahead` without reset of the states.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        sync_period: steps $k$ from one pull to the next, 1 or more.
        slow_step: share $\alpha$ of the way that the slow weights go.

    State variables: `slow`, $s$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import lookahead
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, lookahead)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        Zhang et al., [Lookahead Optimizer: k steps forward, 1 step
        back](https://arxiv.org/abs/1907.08610), 2019.
    """
    slow = state("slow", init=p)
    is_sync = equal(step % whole_from(1, "sync_period", sync_period), 0)
    slow_new = assign(slow, where(is_sync, slow + slow_step * (new - slow), slow))
    return where(is_sync, slow_new, new)
