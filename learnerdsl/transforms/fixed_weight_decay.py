"""Weight decay that does not depend on the learning rate."""

from learnerdsl import transform


@transform(place="after")
def fixed_weight_decay(p, new, fixed_decay=1e-4):
    r"""Shrink the weights by a given share, whatever the learning rate is.

    $$p' \leftarrow p' - \lambda p$$

    The decay does not have to be tuned again when the learning rate changes. If both are to fall,
    give `fixed_decay` a schedule, too. Follows `fixed_decay` of pytorch_optimizer.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        fixed_decay: share $\lambda$ that each update subtracts.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import fixed_weight_decay
        >>> weights = np.array([2, 1, -4], np.float32)
        >>> learner = chain(sgd, fixed_weight_decay)([weights], lr=0.1, fixed_decay=0.5)
        >>> learner.update([np.zeros(3, np.float32)])
        True
        >>> weights.round(3)
        array([ 1. ,  0.5, -2. ], dtype=float32)

    References:
        Wortsman et al., [Small-scale proxies for large-scale Transformer training
        instabilities](https://arxiv.org/abs/2309.14322), 2023.
    """
    return new - fixed_decay * p
