"""Clipping of each element of the gradient."""

from learnerdsl import clip, maximum, transform


@transform(place="before")
def clip_by_value(p, g, max_value=1.0):
    r"""Limit every element of the gradient.

    $$g \leftarrow \min(\max(g, -c), c)$$

    Cheap and local, but it turns the gradient towards the diagonal. Follows
    `torch.nn.utils.clip_grad_value_` and `optax.clip`.

    Args:
        p: the parameter.
        g: its gradient.
        max_value: largest magnitude $c$ of an element; 0 where it is negative.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import clip_by_value
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(clip_by_value, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.9, 1. , 1.1], dtype=float32)

    References:
        [torch.nn.utils.clip_grad_value_](
        https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html).
    """
    limit = maximum(max_value, 0)
    return clip(g, -limit, limit)
