"""Grokfast: the slow part of the gradient, amplified."""

from learnerdsl import assign, state, transform


@transform(place="before")
def grokfast_ema(p, g, grokfast_alpha=0.98, grokfast_lamb=2.0):
    r"""Amplify the slow part of the gradient.

    $$h \leftarrow \alpha h + (1 - \alpha)\, g \qquad g \leftarrow g + \lambda h$$

    Made to generalise sooner on tasks that a model memorises first. $h$ starts from the first
    gradient.

    Args:
        p: the parameter.
        g: its gradient.
        grokfast_alpha: share $\alpha$ of the average that is kept.
        grokfast_lamb: gain $\lambda$ of the slow part.

    State variables: `slow_gradient`, $h$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import grokfast_ema
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(grokfast_ema, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.1, 1. , 2.2], dtype=float32)

    References:
        Lee et al., [Grokfast: Accelerated Grokking by Amplifying Slow
        Gradients](https://arxiv.org/abs/2405.20233), 2024.
    """
    h = state("slow_gradient", init=g)
    h_new = assign(h, grokfast_alpha * h + (1 - grokfast_alpha) * g)
    return g + grokfast_lamb * h_new
