"""Norms that change as an infinitely small step would change them."""

from learnerdsl import let, maximum, norm, shared, sum, transform, where


@transform(place="after")
def radius_pin(p, new, lr=shared, pinned_decay=0.0, pin_eps=1e-8):
    r"""Scale the weights to the norm that the radial part of the update alone gives.

    $$d = p' - p \qquad
    r = \lVert p \rVert + \frac{\langle d, p \rangle}{\lVert p \rVert} \qquad
    p' \leftarrow \frac{r}{\lVert p' \rVert}\, p' \, (1 - \eta \lambda [d p < 0])$$

    with norms and the sum over one tensor, none of them below $\epsilon$. A finite step across the
    weights makes them longer, though it points along no radius; this takes it back. Weight decay
    over all weights would be undone by it, so $\lambda$ shrinks only those that the rule makes
    smaller anyway, and after the norm was set: it changes the shape of a tensor.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        lr: learning rate $\eta$ of the rule.
        pinned_decay: coefficient $\lambda$ of the decay.
        pin_eps: $\epsilon$, the least norm.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import radius_pin
        >>> weights = np.array([1, 0], np.float32)
        >>> learner = chain(sgd, radius_pin)([weights], lr=1.0)
        >>> learner.update([np.array([0, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.707, 0.707], dtype=float32)

    References:
        [modded-nanogpt, track 3](https://github.com/KellerJordan/modded-nanogpt/pull/321), 2026;
        Chen et al., [Cautious Weight Decay](https://arxiv.org/abs/2510.12402), 2025.
    """
    change = new - p
    before = maximum(norm(p), pin_eps)
    radius = maximum(before + sum(change * p) / before, pin_eps)
    pinned = let("pinned", radius / maximum(norm(new), pin_eps)) * new
    return pinned * (1 - lr * pinned_decay * where(change * p < 0, 1, 0))
