"""Filters of the gradient, and of updates that go against it."""

from learnerdsl import assign, let, maximum, mean, ndim, norm, state, sum, transform, where


@transform(place="before")
def zero_nans(p, g):
    r"""Puts 0 in the place of NaN.

    $$g \leftarrow \begin{cases} 0 & g \text{ is NaN} \\ g & \text{else} \end{cases}$$

    Infinity stays. As `optax.zero_nans`.

    Args:
        p: the parameter.
        g: its gradient.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import zero_nans
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(zero_nans, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        [optax.zero_nans](https://optax.readthedocs.io/en/latest/api/transformations.html).
    """
    return where(g > 0, g, where(g <= 0, g, 0))  # a NaN is neither


@transform(place="before")
def grokfast_ema(p, g, grokfast_alpha=0.98, grokfast_lamb=2.0):
    r"""Amplifies the slow part of the gradient.

    $$h \leftarrow \alpha h + (1 - \alpha)\, g \qquad g \leftarrow g + \lambda h$$

    Made to reach generalisation sooner on tasks that are first learned by heart. $h$ starts from
    the first gradient.

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


@transform(place="before")
def orthograd(p, g):
    r"""Takes the part along the weights out of the gradient of each tensor, and keeps its norm.

    $$o = g - \frac{\langle p, g \rangle}{\lVert p \rVert^2 + \epsilon}\, p \qquad
    g \leftarrow o\, \frac{\lVert g \rVert}{\lVert o \rVert + \epsilon}$$

    with $\epsilon = 10^{-30}$. Weights no longer grow just to make the loss smaller. Where $o$ is
    nothing but rounding (below $10^{-6} \lVert g \rVert$, as for tensors of one element), $g$
    becomes 0.

    Args:
        p: the parameter.
        g: its gradient.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import orthograd
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(orthograd, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.664, 0.966, 1.369], dtype=float32)

    References:
        Prieto et al., [Grokking at the Edge of Numerical
        Stability](https://arxiv.org/abs/2501.04697), 2025.
    """
    orthogonal = let("orthogonal", g - p * sum(p * g) / (sum(p**2) + 1e-30))
    g_norm, o_norm = norm(g), norm(orthogonal)
    return orthogonal * where(o_norm <= 1e-6 * g_norm, 0, g_norm / (o_norm + 1e-30))


@transform(place="after")
def cautious(p, new, g):
    r"""Drops what goes against the gradient from the update.

    $$d = p' - p \qquad m = [-d g > 0] \qquad
    p' \leftarrow p + \frac{m}{\max(\mathrm{mean}(m), 10^{-3})}\, d$$

    with the mean over one tensor, so that the size of the update is kept. As the cautious
    optimizers of timm, where the rule has no decay of its own; put decay after this transform.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        g: the gradient as the rule got it.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import cautious
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, cautious)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.55, 1.  , 1.6 ], dtype=float32)

    References:
        Liang et al., [Cautious Optimizers: Improving Training with One Line of
        Code](https://arxiv.org/abs/2411.16085), 2024.
    """
    update = new - p
    mask = let("mask", where(update * g < 0, 1, 0))
    return p + update * mask / maximum(mean(mask), 1e-3)


@transform(place="before")
def centralize(p, g):
    r"""Takes the mean of each unit out of the gradient.

    $$g_i \leftarrow g_i - \mathrm{mean}(g_i)$$

    where unit $i$ is one index of the first axis, as torch lays out linear layers and convolutions;
    vectors stay as they are. Smooths the loss a little, at the price of a pass. As
    `optax.centralize`.

    Args:
        p: the parameter.
        g: its gradient.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import centralize
        >>> weights = np.ones((1, 3), np.float32)
        >>> learner = chain(centralize, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([[3, 0, -6]], np.float32)])
        True
        >>> weights.round(3)
        array([[0.6, 0.9, 1.5]], dtype=float32)

    References:
        Yong et al., [Gradient Centralization: A New Optimization Technique for Deep Neural
        Networks](https://arxiv.org/abs/2004.01461), 2020.
    """
    if ndim(p) < 2:
        return g
    return g - mean(g, axis=tuple(range(1, ndim(p))))
