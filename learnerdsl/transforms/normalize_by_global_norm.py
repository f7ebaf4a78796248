"""Gradients of a given norm over the whole model."""

from learnerdsl import maximum, norm, transform


@transform(place="before")
def normalize_by_global_norm(p, g, norm_scale=1.0, norm_eps=1e-6):
    r"""Scale the gradient of the whole model to a given norm.

    $$g \leftarrow \frac{s\, g}{\lVert \text{all } g \rVert + \epsilon}$$

    Steps no longer shrink near a minimum, so the learning rate has to fall. Follows
    `optax.normalize_by_update_norm`.

    Args:
        p: the parameter.
        g: its gradient.
        norm_scale: norm $s$ of the result; 0 where it is negative.
        norm_eps: $\epsilon$, added to the norm.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import normalize_by_global_norm
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(normalize_by_global_norm, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.94, 1.  , 1.08], dtype=float32)

    References:
        Hazan et al., [Beyond Convexity: Stochastic Quasi-Convex
        Optimization](https://arxiv.org/abs/1507.02030), 2015.
    """
    return g * maximum(norm_scale, 0) / (norm(g, over="model") + norm_eps)
