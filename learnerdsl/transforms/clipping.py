"""Limits on the gradient: of an element, of a tensor, of the whole model.

A limit of 0 or less makes the gradient 0; none turns it round.
"""

from typing import Any

from learnerdsl import clip, maximum, mean, minimum, ndim, norm, sqrt, transform, where


def share_within(limit: Any, size: Any) -> Any:
    """What to multiply a thing of that size by, so that its size is at most the limit."""
    limit = maximum(limit, 0)
    return where(size <= limit, 1, limit / size)


@transform(place="before")
def clip_by_value(p, g, max_value=1.0):
    r"""Limits every element of the gradient.

    $$g \leftarrow \min(\max(g, -c), c)$$

    Cheap and local, but it turns the gradient towards the diagonal. As
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


@transform(place="before")
def clip_by_norm(p, g, max_norm=1.0):
    r"""Limits the norm of the gradient of each tensor.

    $$g \leftarrow g\, \frac{c}{\max(\lVert g \rVert, c)}$$

    Keeps the direction within a tensor but changes it between tensors. As `clipnorm` of Keras.

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


@transform(place="before")
def clip_by_block_rms(p, g, threshold=1.0):
    r"""Limits the root mean square of the gradient of each tensor.

    $$g \leftarrow \frac{g}{\max(1, \mathrm{rms}(g) / c)}$$

    As `clip_by_norm` with a limit that grows with the root of the size of the tensor. As
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


@transform(place="before")
def clip_by_global_norm(p, g, max_norm=1.0):
    r"""Limits the norm of the gradient of the whole model.

    $$g \leftarrow g \min\left(1, \frac{c}{\lVert \text{all } g \rVert}\right)$$

    Keeps the direction. The usual guard against exploding gradients. As
    `optax.clip_by_global_norm`; one infinite element makes NaN of itself and zeros of all others,
    as there.

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


@transform(place="before")
def clip_grad_norm(p, g, max_norm=1.0):
    r"""Limits the norm of the gradient of the whole model, with the numbers of torch.

    $$g \leftarrow g \min\left(1, \frac{c}{\lVert \text{all } g \rVert + 10^{-6}}\right)$$

    `clip_by_global_norm` as `torch.nn.utils.clip_grad_norm_` has it.

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


@transform(place="before")
def adaptive_clip(p, g, clip_factor=0.01, clip_eps=1e-3):
    r"""Limits the gradient of each unit to a share of the weights of the unit.

    $$c = \lambda \max(\lVert p_i \rVert, \epsilon) \qquad
    g_i \leftarrow g_i \min\left(1, \frac{c}{\max(\lVert g_i \rVert, 10^{-6})}\right)$$

    where unit $i$ is one index of the first axis, as torch lays out linear layers and convolutions;
    vectors are one unit. Lets networks train without batch normalization. As
    `timm.utils.adaptive_clip_grad`; `optax.adaptive_grad_clip` is for the transposed layout.

    Args:
        p: the parameter.
        g: its gradient.
        clip_factor: largest ratio $\lambda$ of the norms of gradient and weights; 0 where it is
            negative.
        clip_eps: $\epsilon$, the least that counts as the norm of the weights.

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
