"""Weights within an interval."""

from learnerdsl import clip, transform


@transform(place="after")
def project_box(p, new, low=-1.0, high=1.0):
    r"""Keep every weight within an interval.

    $$p' \leftarrow \min(\max(p', l), h)$$

    Follows `optax.projections.projection_box`. Wasserstein critics clip their weights so.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        low: smallest weight $l$.
        high: largest weight $h$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import project_box
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, project_box)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1. ], dtype=float32)

    References:
        Arjovsky et al., [Wasserstein GAN](https://arxiv.org/abs/1701.07875), 2017.
    """
    return clip(new, low, high)
