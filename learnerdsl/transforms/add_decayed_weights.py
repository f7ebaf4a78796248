"""Coupled weight decay: an L2 penalty in the gradient."""

from learnerdsl import transform


@transform(place="before")
def add_decayed_weights(p, g, coupled_decay=1e-4):
    r"""Add the weights to the gradient: coupled decay, the L2 penalty.

    $$g \leftarrow g + \lambda p$$

    The rule treats the decay like the gradient: adaptive rules divide it by the size of the
    gradients. Follows `optax.add_decayed_weights` before the rule.

    Args:
        p: the parameter.
        g: its gradient.
        coupled_decay: coefficient $\lambda$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import add_decayed_weights
        >>> weights = np.array([2, 1, -4], np.float32)
        >>> learner = chain(add_decayed_weights, sgd)([weights], lr=0.1, coupled_decay=0.5)
        >>> learner.update([np.zeros(3, np.float32)])
        True
        >>> weights.round(3)
        array([ 1.9 ,  0.95, -3.8 ], dtype=float32)

    References:
        Loshchilov and Hutter, [Decoupled Weight Decay
        Regularization](https://arxiv.org/abs/1711.05101), 2019, section 2.
    """
    return g + coupled_decay * p
