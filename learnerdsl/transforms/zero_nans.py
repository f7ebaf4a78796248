"""Zeros in place of gradients that are NaN."""

from learnerdsl import transform, where


@transform(place="before")
def zero_nans(p, g):
    r"""Replace each NaN of the gradient by 0.

    $$g \leftarrow \begin{cases} 0 & g \text{ is NaN} \\ g & \text{else} \end{cases}$$

    Infinities stay. Follows `optax.zero_nans`.

    Args:
        p: the parameter.
        g: its gradient.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import zero_nans
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(zero_nans, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, np.nan, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        [optax.zero_nans](https://optax.readthedocs.io/en/latest/api/transformations.html).
    """
    return where(g > 0, g, where(g <= 0, g, 0))  # a NaN is neither
