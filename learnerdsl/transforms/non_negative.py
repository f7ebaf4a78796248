"""Weights that are never negative."""

from learnerdsl import maximum, transform


@transform(place="after")
def non_negative(p, new):
    r"""Keep the weights from becoming negative.

    $$p' \leftarrow \max(p', 0)$$

    Follows `optax.keep_params_nonnegative`.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import non_negative
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, non_negative)([weights], lr=0.5)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0., 1., 3.], dtype=float32)

    References:
        [optax.keep_params_nonnegative](https://optax.readthedocs.io/en/latest/api/transformations.html).
    """
    return maximum(new, 0)
