"""Exponential average of the weights."""

from learnerdsl import assign, evaluate, state, transform


@transform(place="after")
def ema(p, new, decay=0.999):
    r"""Keep an exponential average of the weights.

    $$a \leftarrow \beta a + (1 - \beta)\, p'$$

    Training does not change. `learner.evaluation_parameters()` returns the average, which starts
    from the initial weights. (`torch.optim.swa_utils` starts it after the first update.)

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
        >>> learner = chain(sgd, ema)([weights], lr=0.1, decay=0.9)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)
        >>> learner.evaluation_parameters()[0].round(3)
        array([0.97, 1.  , 1.04], dtype=float32)

    References:
        Polyak and Juditsky, [Acceleration of stochastic approximation by
        averaging](https://doi.org/10.1137/0330046), 1992.
    """
    average = state("average", init=p)
    assign(average, decay * average + (1 - decay) * new)
    evaluate(average)
    return new
