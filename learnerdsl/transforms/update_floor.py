"""Updates of at least a given share of the weights, by tensors or by rows."""

from learnerdsl import let, maximum, ndim, norm, shared, transform, where


def _lifted(p, new, lr, floor, axes):
    """Return the new value with an update of at least `floor` times the rate and the weights."""
    change = new - p
    p_norm, length = (
        (norm(p), norm(change)) if axes is None else (norm(p, axis=axes), norm(change, axis=axes))
    )
    share = where(length > 0, lr * floor * p_norm / length, 1)
    return p + let("lift", maximum(1, share)) * change


@transform(place="after")
def update_floor(p, new, lr=shared, floor=0.35):
    r"""Lengthen the update of a tensor to a given share of its weights.

    $$d = p' - p \qquad
    p' \leftarrow p + \max\left(1, \frac{\eta f \lVert p \rVert}{\lVert d \rVert}\right) d$$

    with the norms over one tensor. As the weights grow, so do the steps, and no weight decay is
    needed. For rules whose update is proportional to the learning rate, such as `normuon`: then
    $d = \eta u$, and $f$ is the floor of $\lVert u \rVert / \lVert p \rVert$.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        lr: learning rate $\eta$ of the rule.
        floor: least ratio $f$ of the update before the learning rate to the weights.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import update_floor
        >>> weights = np.array([3, 4], np.float32)
        >>> learner = chain(sgd, update_floor)([weights], lr=0.1, floor=0.4)
        >>> learner.update([np.array([0, 1], np.float32)])      # a step of 0.1 becomes one of 0.2
        True
        >>> weights
        array([3. , 3.8], dtype=float32)

    References:
        [modded-nanogpt, track 3, record 9](https://github.com/KellerJordan/modded-nanogpt/pull/274),
        2026.
    """
    return _lifted(p, new, lr, floor, None)


@transform(place="after")
def row_update_floor(p, new, lr=shared, row_floor=0.35):
    r"""Lengthen the update of each row to a given share of its weights.

    $$d = p' - p \qquad p'_i \leftarrow p_i + \max\left(1,
    \frac{\eta f \lVert p_i \rVert}{\lVert d_i \rVert}\right) d_i$$

    Row $i$ is one index of the first axis, with all others; a vector is one row. See
    `update_floor`, which does so for whole tensors.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        lr: learning rate $\eta$ of the rule.
        row_floor: least ratio $f$ of the update before the learning rate to the weights.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import row_update_floor
        >>> weights = np.array([[3, 4], [0, 1]], np.float32)
        >>> learner = chain(sgd, row_update_floor)([weights], lr=0.1, row_floor=0.4)
        >>> learner.update([np.ones((2, 2), np.float32)])
        True
        >>> weights.round(3)
        array([[ 2.859,  3.859],
               [-0.1  ,  0.9  ]], dtype=float32)

    References:
        [modded-nanogpt, track 3](https://github.com/KellerJordan/modded-nanogpt), 2026, the record
        of 2690 steps.
    """
    return _lifted(p, new, lr, row_floor, tuple(range(1, ndim(p))) if ndim(p) > 1 else None)
