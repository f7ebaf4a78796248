"""Updates without the elements that go against the gradient."""

from learnerdsl import let, maximum, mean, transform, where


@transform(place="after")
def cautious(p, new, g):
    r"""Drop the elements of the update that go against the gradient.

    $$d = p' - p \qquad m = [-d g > 0] \qquad
    p' \leftarrow p + \frac{m}{\max(\mathrm{mean}(m), 10^{-3})}\, d$$

    with the mean over one tensor, so that the size of the update is kept. Follows the cautious
    optimizers of timm if the rule has no decay of its own; put a transform for decay after this
    one.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        g: the gradient that the rule gets.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import momentum_sgd
        >>> from learnerdsl.transforms import cautious
        >>> weights = np.ones(2, np.float32)
        >>> learner = chain(momentum_sgd, cautious)([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, -0.5]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.52 0.9 ]

    References:
        Liang et al., [Cautious Optimizers: Improving Training with One Line of
        Code](https://arxiv.org/abs/2411.16085), 2024.
    """
    update = new - p
    mask = let("mask", where(update * g < 0, 1, 0))
    return p + update * mask / maximum(mean(mask), 1e-3)
