"""The proximal step of an L1 penalty, which makes weights exactly zero."""

from learnerdsl import abs, maximum, shared, sign, transform


@transform(place="after")
def soft_threshold(p, new, lr=shared, l1=1e-4):
    r"""Shrink every weight by a constant and stop at 0: the proximal step of an L1 penalty.

    $$p' \leftarrow \mathrm{sign}(p') \max(|p'| - \eta \lambda, 0)$$

    Gives weights that are exactly 0, which a penalty in the gradient does not. Follows the L1
    regularization of CNTK's learners.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        lr: learning rate $\eta$ of the rule.
        l1: coefficient $\lambda$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import soft_threshold
        >>> weights = np.array([1, 0.05, -1], np.float32)
        >>> learner = chain(sgd, soft_threshold)([weights], lr=0.1, l1=1.0)
        >>> learner.update([np.zeros(3, np.float32)])
        True
        >>> weights.round(3)
        array([ 0.9,  0. , -0.9], dtype=float32)

    References:
        Tsuruoka et al., [Stochastic Gradient Descent Training for L1-regularized Log-linear Models
        with Cumulative Penalty](https://aclanthology.org/P09-1054/), 2009.
    """
    return sign(new) * maximum(abs(new) - lr * l1, 0)
