"""Noise on the weights."""

from learnerdsl import normal, transform


@transform(place="after")
def perturb(p, new, noise_std=1e-3):
    r"""Add noise to the weights after every update.

    $$p' \leftarrow p' + \sigma z \qquad z \sim \mathcal{N}(0, 1)$$

    Follows `gaussian_noise_injection_std_dev` of CNTK's learners.

    Args:
        p: the parameter before the update.
        new: its new value $p'$.
        noise_std: standard deviation $\sigma$.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import perturb
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(sgd, perturb)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.701, 1.001, 1.399], dtype=float32)

    References:
        [CNTK learners](https://docs.microsoft.com/en-us/python/api/cntk/cntk.learners).
    """
    return new + noise_std * normal()
