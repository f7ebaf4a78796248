"""Stochastic gradient descent with noise added to the gradient."""

from learnerdsl import assign, normal, rule, sqrt, step


@rule
def noisy_sgd(p, g, lr=1e-3, eta=0.01, gamma=0.55):
    r"""Stochastic gradient descent with Gaussian noise on the gradient, which fades.

    $$p \leftarrow p - \eta \left(g + \sqrt{\frac{\eta_n}{t^\gamma}}\ \xi\right), \qquad
    \xi \sim \mathcal{N}(0, 1)$$

    The noise helps deep networks to escape from poor starts, and does little for networks that
    train well. Follows the code of `optax.noisy_sgd`, with $t$ from 1 (its text has
    $(1 + t)^\gamma$). The random numbers come from another generator and depend on the learner's
    `seed`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        eta: variance $\eta_n$ of the noise at the first step.
        gamma: $\gamma$, the power with which the variance falls.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import noisy_sgd
        >>> weights = np.ones(3, np.float32)
        >>> learner = noisy_sgd([weights], lr=0.1, seed=1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.897, 0.907, 0.893], dtype=float32)

    References:
        Neelakantan et al., [Adding Gradient Noise Improves Learning for Very Deep
        Networks](https://arxiv.org/abs/1511.06807), 2015.
    """
    return assign(p, p - lr * (g + sqrt(eta / step**gamma) * normal()))
