"""Stochastic weight averaging: the mean of the weights over a run."""

from learnerdsl import assign, equal, evaluate, let, state, step, transform, where
from learnerdsl.options import whole_from


@transform(place="after")
def swa(p, new, swa_start=1, swa_every=1):
    r"""Keep the mean of the weights at every k-th step, from a given step on.

    $$w_t = \begin{cases} 1 & t \le s \\ \frac{1}{1 + (t - s) / k} & k \mid t - s \\
    0 & \text{else} \end{cases} \qquad
    a \leftarrow a + w_t (p' - a)$$

    Stochastic weight averaging; `learner.evaluation_parameters()` returns the mean, and before step
    $s$ the weights. Follows `torch.optim.swa_utils.AveragedModel` updated at those steps.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        swa_start: $s$, the first step that is averaged.
        swa_every: $k$, the number of steps from one average to the next, 1 or more.

    State variables: `swa_average`, $a$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import swa
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, swa)([weights], lr=0.1)
        >>> for gradient in ([3, 0, -4], [3, 0, -4]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.7 1.  1.4]
        [0.4 1.  1.8]
        >>> learner.evaluation_parameters()[0].round(3)
        array([0.55, 1.  , 1.6 ], dtype=float32)

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
