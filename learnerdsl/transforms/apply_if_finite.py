"""Updates only where all gradients are finite."""

from learnerdsl import abs, only_when, sum, transform

LARGEST = 1e308
"""No sum of finite float32 numbers is larger; NaN and infinity are not smaller."""


@transform(place="before")
def apply_if_finite(p, g):
    r"""Let the rule act only if all gradients are finite.

    $$\text{if } \textstyle\sum |g| < \infty: \quad \text{the rule}$$

    Otherwise nothing after this transform in the chain changes. The learner's step counts all
    updates, and `learner.model_state["apply_if_finite_updates"]` those of the rule. (With a
    learner's own `nonfinite="skip"`, its step does not count skipped updates.)

    Args:
        p: the parameter.
        g: its gradient.

    State variables: `apply_if_finite_updates`, the number of updates of the rule.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import apply_if_finite
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(apply_if_finite, sgd)([weights], lr=0.1)
        >>> for gradient in ([3, 0, np.inf], [3, 0, -4]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [1. 1. 1.]
        [0.7 1.  1.4]
        >>> learner.model_state["apply_if_finite_updates"]
        1.0

    References:
        [optax.apply_if_finite](https://optax.readthedocs.io/en/latest/api/optimizer_wrappers.html).
    """
    only_when(sum(abs(g), over="model") < LARGEST)
    return g
