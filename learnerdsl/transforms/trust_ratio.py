"""Updates proportional to the norm of the weights, as in LARS and LAMB."""

from learnerdsl import equal, let, norm, shared, transform, where


@transform(place="after")
def trust_ratio(p, new, lr=shared, trust_coefficient=1.0, trust_eps=0.0):
    r"""Scale the update of each tensor by its weights, as LARS and LAMB do.

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
