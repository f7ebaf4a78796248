"""Weights whose norm over the whole model stays within a radius."""

from learnerdsl import norm, transform
from learnerdsl.transforms._share_within import share_within


@transform(place="after")
def project_l2_ball(p, new, radius=1.0):
    r"""Keep the norm of all weights together within a radius.

    $$p' \leftarrow p' \min\left(1, \frac{r}{\lVert \text{all } p' \rVert}\right)$$

    Follows `optax.projections.projection_l2_ball`.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        radius: largest norm $r$; 0 where it is negative.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import project_l2_ball
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, project_l2_ball)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.377, 0.538, 0.754], dtype=float32)

    References:
        [optax.projections](https://optax.readthedocs.io/en/latest/api/projections.html).
    """
    return new * share_within(radius, norm(new, over="model"))
