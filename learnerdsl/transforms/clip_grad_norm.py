"""Clipping of the gradient by the norm of the whole model, as torch computes it."""

from learnerdsl import maximum, minimum, norm, transform


@transform(place="before")
def clip_grad_norm(p, g, max_norm=1.0):
    r"""Limit the norm of the gradient of the whole model, as torch computes it.

    $$g \leftarrow g \min\left(1, \frac{c}{\lVert \text{all } g \rVert + 10^{-6}}\right)$$

    Equals `clip_by_global_norm` except for the $10^{-6}$, which follows
    `torch.nn.utils.clip_grad_norm_`.

    Args:
        p: the parameter.
        g: its gradient.
        max_norm: largest norm $c$ of all gradients together; 0 where it is negative.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import clip_grad_norm
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(clip_grad_norm, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.94, 1.  , 1.08], dtype=float32)

    References:
        [torch.nn.utils.clip_grad_norm_](
        https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html).
    """
    return g * minimum(1, maximum(max_norm, 0) / (norm(g, over="model") + 1e-6))
