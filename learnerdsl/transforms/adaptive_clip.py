"""Adaptive clipping: the gradient of a unit is limited by the weights of the unit."""

from learnerdsl import maximum, ndim, norm, transform, where


@transform(place="before")
def adaptive_clip(p, g, clip_factor=0.01, clip_eps=1e-3):
    r"""Limit the norm of each unit's gradient to a share of the norm of its weights.

    $$c = \lambda \max(\lVert p_i \rVert, \epsilon) \qquad
    g_i \leftarrow g_i \min\left(1, \frac{c}{\max(\lVert g_i \rVert, 10^{-6})}\right)$$

    Unit $i$ is one index of the first axis, as torch lays out linear layers and convolutions; a
    vector is one unit. Lets networks train without batch normalisation. Follows
    `timm.utils.adaptive_clip_grad`; `optax.adaptive_grad_clip` is for the transposed layout.

    Args:
        p: the parameter.
        g: its gradient.
        clip_factor: largest ratio $\lambda$ of the norms of gradient and weights; 0 where it is
            negative.
        clip_eps: $\epsilon$, lower bound of the norm of the weights.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import adaptive_clip
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(adaptive_clip, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.999, 1.   , 1.001], dtype=float32)

    References:
        Brock et al., [High-Performance Large-Scale Image Recognition Without
        Normalization](https://arxiv.org/abs/2102.06171), 2021.
    """
    others = tuple(range(1, ndim(p))) or None
    largest = maximum(clip_factor, 0) * maximum(norm(p, axis=others), clip_eps)
    size = norm(g, axis=others)
    return g * where(size < largest, 1, largest / maximum(size, 1e-6))
