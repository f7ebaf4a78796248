"""Constraints on the weights, kept after every update."""

from learnerdsl import abs, clip, maximum, ndim, norm, shared, sign, transform
from learnerdsl.transforms.clipping import share_within


@transform(place="after")
def non_negative(p, new):
    r"""Keeps the weights from becoming negative.

    $$p' \leftarrow \max(p', 0)$$

    As `optax.keep_params_nonnegative`.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import non_negative
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, non_negative)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        [optax.keep_params_nonnegative](https://optax.readthedocs.io/en/latest/api/transformations.html).
    """
    return maximum(new, 0)


@transform(place="after")
def project_box(p, new, low=-1.0, high=1.0):
    r"""Keeps every weight within an interval.

    $$p' \leftarrow \min(\max(p', l), h)$$

    As `optax.projections.projection_box`, and the clipping of Wasserstein critics.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        low: smallest weight $l$.
        high: largest weight $h$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import project_box
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, project_box)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1. ], dtype=float32)

    References:
        Arjovsky et al., [Wasserstein GAN](https://arxiv.org/abs/1701.07875), 2017.
    """
    return clip(new, low, high)


@transform(place="after")
def project_l2_ball(p, new, radius=1.0):
    r"""Keeps the norm of all weights together within a radius.

    $$p' \leftarrow p' \min\left(1, \frac{r}{\lVert \text{all } p' \rVert}\right)$$

    As `optax.projections.projection_l2_ball`.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        radius: largest norm $r$; 0 where it is negative.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import project_l2_ball
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, project_l2_ball)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.377, 0.538, 0.754], dtype=float32)

    References:
        [optax.projections](https://optax.readthedocs.io/en/latest/api/projections.html).
    """
    return new * share_within(radius, norm(new, over="model"))


@transform(place="after")
def soft_threshold(p, new, lr=shared, l1=1e-4):
    r"""Shrinks every weight by a constant and stops at 0: the proximal step of an L1 penalty.

    $$p' \leftarrow \mathrm{sign}(p') \max(|p'| - \eta \lambda, 0)$$

    Gives weights that are exactly 0, which a penalty in the gradient does not. As the L1
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
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, soft_threshold)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.7, 1. , 1.4], dtype=float32)

    References:
        Tsuruoka et al., [Stochastic Gradient Descent Training for L1-regularized Log-linear Models
        with Cumulative Penalty](https://aclanthology.org/P09-1054/), 2009.
    """
    return sign(new) * maximum(abs(new) - lr * l1, 0)


@transform(place="after")
def project_max_norm(p, new, largest_norm=2.0):
    r"""Keeps the norm of the weights of each unit within a limit.

    $$p'_i \leftarrow p'_i \min\left(1, \frac{c}{\lVert p'_i \rVert}\right)$$

    where unit $i$ is one index of the first axis, as torch lays out linear layers and convolutions;
    vectors are one unit. Used with dropout. As `torch.renorm` and the `MaxNorm` of Keras, without
    their $10^{-7}$.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        largest_norm: $c$; 0 where it is negative.

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
