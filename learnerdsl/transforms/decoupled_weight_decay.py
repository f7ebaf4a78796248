"""Decoupled weight decay, multiplied by the learning rate."""

from learnerdsl import shared, transform


@transform(place="after")
def decoupled_weight_decay(p, new, lr=shared, decoupled_decay=1e-2):
    r"""Shrink the weights in addition to the step of the rule, by its learning rate.

    $$p' \leftarrow p' - \eta \lambda p$$

    Follows `torch.optim.AdamW`: the decay is that of the old weights.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        lr: learning rate $\eta$ of the rule.
        decoupled_decay: coefficient $\lambda$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import decoupled_weight_decay
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, decoupled_weight_decay)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.699, 0.999, 1.399], dtype=float32)

    References:
        Loshchilov and Hutter, [Decoupled Weight Decay
        Regularization](https://arxiv.org/abs/1711.05101), 2019.
    """
    return new - lr * decoupled_decay * p
