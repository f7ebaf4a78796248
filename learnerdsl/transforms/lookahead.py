"""Lookahead: slow weights that follow the fast ones and pull them back."""

from learnerdsl import assign, equal, state, step, transform, where
from learnerdsl.options import whole_from


@transform(place="after")
def lookahead(p, new, sync_period=6, slow_step=0.5):
    r"""Pull the weights back towards slow weights at every k-th step.

    $$\text{if } k \mid t: \quad s \leftarrow s + \alpha (p' - s) \qquad p' \leftarrow s$$

    Smooths large steps. The slow weights start from the initial weights. Follows `optax.lookahead`
    without its reset of states.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        sync_period: number of steps $k$ from one pull to the next, 1 or more.
        slow_step: share $\alpha$ of the distance that the slow weights move.

    State variables: `slow`, $s$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import lookahead
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, lookahead)([weights], lr=0.1, sync_period=3)
        >>> for gradient in ([3, 0, -4], [3, 0, -4], [3, 0, -4]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.7 1.  1.4]
        [0.4 1.  1.8]
        [0.55 1.   1.6 ]

    References:
        Zhang et al., [Lookahead Optimizer: k steps forward, 1 step
        back](https://arxiv.org/abs/1907.08610), 2019.
    """
    slow = state("slow", init=p)
    is_sync = equal(step % whole_from(1, "sync_period", sync_period), 0)
    slow_new = assign(slow, where(is_sync, slow + slow_step * (new - slow), slow))
    return where(is_sync, slow_new, new)
