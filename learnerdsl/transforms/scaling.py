"""Scales: of the gradient by its norm, of the update by the size of the weights."""

from learnerdsl import equal, let, maximum, mean, norm, shared, sqrt, transform, where


@transform(place="before")
def normalize_by_global_norm(p, g, norm_scale=1.0, norm_eps=1e-6):
    r"""Gives the gradient of the whole model a norm of its own.

    $$g \leftarrow \frac{s\, g}{\lVert \text{all } g \rVert + \epsilon}$$

    Steps no longer shrink near a minimum, so the learning rate has to. As
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


@transform(place="after")
def trust_ratio(p, new, lr=shared, trust_coefficient=1.0, trust_eps=0.0):
    r"""Scales the update of each tensor to its weights, as LARS and LAMB do.

    $$d = p' - p \qquad
    r = \frac{\eta \tau \lVert p \rVert}{\lVert d \rVert + \eta \epsilon} \qquad
    p' \leftarrow p + r d$$

    with the norms over one tensor, and $r = 1$ where one of them is 0. For rules whose update is
    proportional to the learning rate, such as `adam`: then $d = \eta u$, and this is
    `optax.scale_by_trust_ratio` on $u$.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        lr: learning rate $\eta$ of the rule.
        trust_coefficient: $\tau$, the ratio of a step to the weights.
        trust_eps: $\epsilon$, added to the norm of $u$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import trust_ratio
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, trust_ratio)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.896, 1.   , 1.139], dtype=float32)

    References:
        You et al., [Large Batch Training of Convolutional
        Networks](https://arxiv.org/abs/1708.03888), 2017.
    """
    update = new - p
    p_norm, update_norm = norm(p), norm(update)
    ratio = lr * trust_coefficient * p_norm / (update_norm + lr * trust_eps)
    is_zero = equal(p_norm, 0) | equal(update_norm, 0)
    return p + let("ratio", where(is_zero, 1, ratio)) * update


@transform(place="after")
def scale_by_block_rms(p, new, min_scale=1e-3):
    r"""Multiplies the update of each tensor by the root mean square of its weights.

    $$p' \leftarrow p + \max(\mathrm{rms}(p), s)\, (p' - p)$$

    Makes the learning rate relative to the weights, as in Adafactor. As
    `optax.scale_by_param_block_rms`.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        min_scale: smallest factor $s$, so that weights of 0 can move.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import scale_by_block_rms
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, scale_by_block_rms)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        Shazeer and Stern, [Adafactor](https://arxiv.org/abs/1804.04235), 2018, section 8.
    """
    return p + maximum(sqrt(mean(p**2)), min_scale) * (new - p)
