"""Clipping of the gradient by the root mean square of each tensor."""

from learnerdsl import mean, sqrt, transform
from learnerdsl.transforms._share_within import share_within


@transform(place="before")
def clip_by_block_rms(p, g, threshold=1.0):
    r"""Limit the root mean square of the gradient of each tensor.

    $$g \leftarrow \frac{g}{\max(1, \mathrm{rms}(g) / c)}$$

    Equals `clip_by_norm` with a limit proportional to the root of the tensor's size. Follows
    `optax.clip_by_block_rms`.

    Args:
        p: the parameter.
        g: its gradient.
        threshold: largest root mean square $c$; 0 where it is negative.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import clip_by_block_rms
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(clip_by_block_rms, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.896, 1.   , 1.139], dtype=float32)

    References:
        Shazeer and Stern, [Adafactor](https://arxiv.org/abs/1804.04235), 2018, section 6.
    """
    return g * share_within(threshold, sqrt(mean(g**2)))
