"""One update for the mean of several gradients."""

from learnerdsl import assign, equal, only_when, state, step, transform, where
from learnerdsl.options import whole_from


@transform(place="before")
def accumulate(p, g, k=4):
    r"""Let the rule act on the mean of k gradients at every k-th update.

    $$a \leftarrow a + g \qquad
    \text{if } k \mid t: \quad g = a / k,\ a \leftarrow 0,\ \text{then the rule}$$

    Allows large batches in little memory. In all other updates nothing after this transform in the
    chain changes, and the rule's step counts its own updates, as in `optax.MultiSteps`. Schedules
    are functions of the number of all updates. `k` is compiled into the kernel.

    Args:
        p: the parameter.
        g: its gradient.
        k: number of gradients, 1 or more.

    State variables: `accumulated`, the sum so far; `accumulate_updates`, the number of updates of
    the rule.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import accumulate
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(accumulate, sgd)([weights], lr=0.1, k=2)
        >>> for gradient in ([3, 0, -4], [1, 2, 0]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [1. 1. 1.]
        [0.8 0.9 1.2]

    References:
        [optax.MultiSteps](https://optax.readthedocs.io/en/latest/api/optimizer_wrappers.html).
    """
    accumulated = state("accumulated")
    total = accumulated + g
    is_last = equal(step % whole_from(1, "k", k), 0)
    assign(accumulated, where(is_last, 0, total))
    only_when(is_last)
    return total / k
