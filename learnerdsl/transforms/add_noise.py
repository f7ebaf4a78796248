"""Noise on the gradient, which fades."""

from learnerdsl import normal, sqrt, step, transform


@transform(place="before")
def add_noise(p, g, noise_eta=0.01, noise_gamma=0.55):
    r"""Add noise to the gradient, which fades from step to step.

    $$g \leftarrow g + \sqrt{\frac{\eta}{t^\gamma}}\, z \qquad z \sim \mathcal{N}(0, 1)$$

    Helps very deep models to escape from bad starts. Follows `optax.add_noise`, which counts $t$
    from 1; the paper's $1 + t$ counts from 0.

    Args:
        p: the parameter.
        g: its gradient.
        noise_eta: variance $\eta$ at the first step.
        noise_gamma: power $\gamma$ with which the variance falls.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import add_noise
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(add_noise, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.691, 0.987, 1.415], dtype=float32)

    References:
        Neelakantan et al., [Adding Gradient Noise Improves Learning for Very Deep
        Networks](https://arxiv.org/abs/1511.06807), 2015.
    """
    return g + sqrt(noise_eta / step**noise_gamma) * normal()
