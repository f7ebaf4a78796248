"""Updates proportional to the root mean square of the weights."""

from learnerdsl import maximum, mean, sqrt, transform


@transform(place="after")
def scale_by_block_rms(p, new, min_scale=1e-3):
    r"""Multiply the update of each tensor by the root mean square of its weights.

    $$p' \leftarrow p + \max(\mathrm{rms}(p), s)\, (p' - p)$$

    Makes the learning rate relative to the weights, as in Adafactor. Follows
    `optax.scale_by_param_block_rms`.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        min_scale: smallest factor $s$, so that weights of 0 can move.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import scale_by_block_rms
        >>> weights = np.full(3, 2, np.float32)
        >>> learner = chain(sgd, scale_by_block_rms)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([1.4, 2. , 2.8], dtype=float32)

    References:
        Shazeer and Stern, [Adafactor](https://arxiv.org/abs/1804.04235), 2018, section 8.
    """
    return p + maximum(sqrt(mean(p**2)), min_scale) * (new - p)
