"""Weight decay only where the rule shrinks the weight, too."""

from learnerdsl import shared, transform, where


@transform(place="after")
def cautious_weight_decay(p, new, lr=shared, cautious_decay=1e-2):
    r"""Shrink only the weights that the rule makes smaller anyway.

    $$p' \leftarrow p' - \eta \lambda p\, [(p - p')\, p \ge 0]$$

    Weight decay then does not work against the loss.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        lr: learning rate $\eta$ of the rule.
        cautious_decay: coefficient $\lambda$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import cautious_weight_decay
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, cautious_weight_decay)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.699, 0.999, 1.4  ], dtype=float32)

    References:
        Chen et al., [Cautious Weight Decay](https://arxiv.org/abs/2510.12402), 2025.
    """
    return new - lr * cautious_decay * where((p - new) * p >= 0, p, 0)
