"""FOCUS: signs of momentum, drawn towards the average of the weights."""

from learnerdsl import assign, let, rule, sign, state, step, where


@rule
def focus(p, g, lr=1e-2, beta1=0.9, beta2=0.999, gamma=0.1, weight_decay=0.0):
    r"""FOCUS: first order concentrated updating scheme, Signum with a pull to the average.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    \bar{p} \leftarrow \beta_2 \bar{p} + (1 - \beta_2)\, p \qquad
    \hat{p} = \frac{\bar{p}}{1 - \beta_2^t}$$

    $$p \leftarrow p - \eta \lambda \hat{p} \qquad
    p \leftarrow p - \eta \left(\operatorname{sgn}(m) +
    \gamma \operatorname{sgn}(p - \hat{p})\right)$$

    More stable than Signum and Adam where gradients are noisy and valleys narrow, as in language
    models. Follows `pytorch_optimizer.FOCUS`, except that $\hat{p}$ is exactly $p$ at the first
    step; there rounding alone decides the sign.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, the length of a step.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean parameter that is kept.
        gamma: $\gamma$, strength of the pull towards the average.
        weight_decay: weight decay $\lambda$, by the average of the parameter.

    State variables: `m` and `average`, the running means of the gradient and of the parameter.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import focus
        >>> weights = np.ones(2, np.float32)
        >>> learner = focus([weights], lr=0.1, gamma=0.5)
        >>> for gradient in ([1, -1], [1, -1], [-9, 9]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 1.1]
        [0.85 1.15]
        [1. 1.]

    References:
        Liu et al., [FOCUS: First Order Concentrated Updating
        Scheme](https://arxiv.org/abs/2501.12243), 2025.
    """
    m, average = state("m"), state("average")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    average_new = assign(average, beta2 * average + (1 - beta2) * p)
    p_hat = let("p_hat", where(step > 1, average_new / (1 - beta2**step), p))
    decayed = let("decayed", p - lr * weight_decay * p_hat)
    return assign(p, decayed - lr * (sign(m_new) + gamma * sign(decayed - p_hat)))
