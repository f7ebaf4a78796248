"""Clipping of the gradient by the norm of the whole model."""

from learnerdsl import norm, transform
from learnerdsl.transforms._share_within import share_within


@transform(place="before")
def clip_by_global_norm(p, g, max_norm=1.0):
    r"""Limit the norm of the gradient of the whole model.

    $$g \leftarrow g \min\left(1, \frac{c}{\lVert \text{all } g \rVert}\right)$$

    Keeps the direction. The usual guard against exploding gradients. Follows
    `optax.clip_by_global_norm`: one infinite element becomes NaN, and all others become zero.

    Args:
        p: the parameter.
        g: its gradient.
        max_norm: largest norm $c$ of all gradients together; 0 where it is negative.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import clip_by_global_norm
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(clip_by_global_norm, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.94, 1.  , 1.08], dtype=float32)

    References:
        Pascanu et al., [On the difficulty of training recurrent neural
        networks](https://arxiv.org/abs/1211.5063), 2013.
    """
    return g * share_within(max_norm, norm(g, over="model"))
