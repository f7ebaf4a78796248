"""Clipping of the gradient by the norm of each tensor."""

from learnerdsl import norm, transform
from learnerdsl.transforms._share_within import share_within


@transform(place="before")
def clip_by_norm(p, g, max_norm=1.0):
    r"""Limit the norm of the gradient of each tensor.

    $$g \leftarrow g\, \frac{c}{\max(\lVert g \rVert, c)}$$

    Keeps the direction within each tensor, but not that of the whole gradient. Follows `clipnorm`
    of Keras.

    Args:
        p: the parameter.
        g: its gradient.
        max_norm: largest norm $c$ of the gradient of a tensor; 0 where it is negative.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import clip_by_norm
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(clip_by_norm, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.94, 1.  , 1.08], dtype=float32)

    References:
        [Keras optimizers, `clipnorm`](https://keras.io/api/optimizers/).
    """
    return g * share_within(max_norm, norm(g))
