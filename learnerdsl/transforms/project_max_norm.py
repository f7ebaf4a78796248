"""Weights whose norm stays within a limit in each unit."""

from learnerdsl import ndim, norm, transform
from learnerdsl.transforms._share_within import share_within


@transform(place="after")
def project_max_norm(p, new, largest_norm=2.0):
    r"""Keep the norm of the weights of each unit within a limit.

    $$p'_i \leftarrow p'_i \min\left(1, \frac{c}{\lVert p'_i \rVert}\right)$$

    Unit $i$ is one index of the first axis, as torch lays out linear layers and convolutions; a
    vector is one unit. Often used with dropout. Follows `torch.renorm` and the `MaxNorm` of Keras,
    without their $10^{-7}$.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        largest_norm: largest norm $c$; 0 where it is negative.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import project_max_norm
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, project_max_norm)([weights], lr=0.1, largest_norm=1.0)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.377, 0.538, 0.754], dtype=float32)

    References:
        Srivastava et al., [Dropout: A Simple Way to Prevent Neural Networks from
        Overfitting](https://jmlr.org/papers/v15/srivastava14a.html), 2014, section 5.1.
    """
    others = tuple(range(1, ndim(p))) or None
    return new * share_within(largest_norm, norm(new, axis=others))
