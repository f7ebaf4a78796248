"""Noise on the gradient and on the weights."""

from learnerdsl import normal, sqrt, step, transform


@transform(place="before")
def add_noise(p, g, noise_eta=0.01, noise_gamma=0.55):
    r"""Adds noise to the gradient that fades with the steps.

    $$g \leftarrow g + \sqrt{\frac{\eta}{t^\gamma}}\, z \qquad z \sim \mathcal{N}(0, 1)$$

    Helps very deep models out of bad starts. As `optax.add_noise`, which counts $t$ from 1; the
    paper's $1 + t$ counts from 0.

    Args:
        p: the parameter.
        g: its gradient.
        noise_eta: variance $\eta$ at the first step.
        noise_gamma: power $\gamma$ with which it falls.

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


@transform(place="after")
def perturb(p, new, noise_std=1e-3):
    r"""Adds noise to the weights after every update.

    $$p' \leftarrow p' + \sigma z \qquad z \sim \mathcal{N}(0, 1)$$

    As `gaussian_noise_injection_std_dev` of CNTK's learners.

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
