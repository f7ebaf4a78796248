"""Weight decay of every kind: coupled, decoupled, independent of the learning rate, cautious."""

from learnerdsl import shared, transform, where


@transform(place="before")
def add_decayed_weights(p, g, coupled_decay=1e-4):
    r"""Adds the weights to the gradient: coupled decay, the L2 penalty.

    $$g \leftarrow g + \lambda p$$

    What the rule does with the gradient it does with the decay as well: adaptive rules divide it
    by the size of the gradients. As `optax.add_decayed_weights` before the rule.

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
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(add_decayed_weights, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        Loshchilov and Hutter, [Decoupled Weight Decay
        Regularization](https://arxiv.org/abs/1711.05101), 2019, section 2.
    """
    return g + coupled_decay * p


@transform(place="after")
def decoupled_weight_decay(p, new, lr=shared, decoupled_decay=1e-2):
    r"""Shrinks the weights beside the step of the rule, by its learning rate.

    $$p' \leftarrow p' - \eta \lambda p$$

    As in `torch.optim.AdamW`: it is the old weights that decay.

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


@transform(place="after")
def fixed_weight_decay(p, new, fixed_decay=1e-4):
    r"""Shrinks the weights by a share of its own, whatever the learning rate.

    $$p' \leftarrow p' - \lambda p$$

    The decay does not have to be tuned again with the learning rate; a schedule has to be given to
    `fixed_decay` too if both shall fall. As `fixed_decay` of pytorch_optimizer.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        fixed_decay: share $\lambda$ that each update takes.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import fixed_weight_decay
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, fixed_weight_decay)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        Wortsman et al., [Small-scale proxies for large-scale Transformer training
        instabilities](https://arxiv.org/abs/2309.14322), 2023.
    """
    return new - fixed_decay * p


@transform(place="after")
def cautious_weight_decay(p, new, lr=shared, cautious_decay=1e-2):
    r"""Shrinks only the weights that the rule makes smaller anyway.

    $$p' \leftarrow p' - \eta \lambda p\, [(p - p')\, p \ge 0]$$

    Decay then does not fight the loss.

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
