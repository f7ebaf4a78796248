"""Updates that change the norm of the weights less."""

from learnerdsl import let, sum, transform, where


@transform(place="after")
def radial_brake(p, new, outward=0.5, inward=1.0):
    r"""Scale the part of an update that points along the weights.

    $$d = p' - p \qquad
    c = \frac{\langle d, p \rangle}{\langle p, p \rangle} \qquad
    p' \leftarrow p + (d - c p) + s c p \qquad
    s = \begin{cases} s_{\text{out}} & c > 0 \\ s_{\text{in}} & \text{else} \end{cases}$$

    with the sums over one tensor. Weights that layers of normalisation follow grow without use:
    with $s_{\text{out}} < 1$ they grow less, and shrink as before. Where the weights are zero,
    nothing is scaled. `radius_pin` after it keeps the norm from drifting as the step is finite.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        outward: $s_{\text{out}}$, share of the part that makes the weights larger.
        inward: $s_{\text{in}}$, share of the part that makes them smaller.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import radial_brake
        >>> weights = np.array([1, 0], np.float32)
        >>> learner = chain(sgd, radial_brake)([weights], lr=1.0)
        >>> learner.update([np.array([-1, -1], np.float32)])
        True
        >>> weights
        array([1.5, 1. ], dtype=float32)

    References:
        [modded-nanogpt, track 3, record 29](https://github.com/KellerJordan/modded-nanogpt/pull/294),
        2026.
    """
    change = new - p
    square, product = sum(p**2), sum(change * p)
    along = let("along", where(square > 0, product / square, 0))
    return new - (1 - where(along > 0, outward, inward)) * along * p
