"""Gradients with a mean of zero in each unit."""

from learnerdsl import mean, ndim, transform


@transform(place="before")
def centralize(p, g):
    r"""Subtract its mean from the gradient of each unit.

    $$g_i \leftarrow g_i - \mathrm{mean}(g_i)$$

    Unit $i$ is one index of the first axis, as torch lays out linear layers and convolutions;
    vectors do not change. Smooths the loss a little, at the cost of one more pass over memory.
    Follows `optax.centralize`.

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
