"""VSGD: infers the true gradient from noisy measurements."""

from learnerdsl import assign, combine, let, rule, sqrt, state, step, where


@rule
def vsgd(p, g, lr=0.1, ghattg=30.0, ps=1e-8, tau1=0.81, tau2=0.9, eps=1e-8, weight_decay=0.0):
    r"""VSGD: variational stochastic gradient descent.

    $$s = \frac{b_g}{a} \qquad h = \frac{b_h}{a} \qquad
    \mu' = \mu \qquad \mu \leftarrow \frac{h \mu + s g}{s + h} \qquad
    q = \frac{s h}{s + h}$$

    $$b_g \leftarrow (1 - t^{-\tau_1})\, b_g + t^{-\tau_1} \left(2\gamma + q + (\mu - \mu')^2\right)
    \qquad
    b_h \leftarrow (1 - t^{-\tau_2})\, b_h + t^{-\tau_2} \left(2\gamma K + q + (g - \mu)^2\right)$$

    $$p \leftarrow p - \eta \left(\frac{\mu}{\sqrt{\mu^2 + q} + \epsilon} + \lambda p\right)$$

    with $a = 2\gamma + 1 + 10^{-4}$, and $s = 2\gamma / (a - 1)$, $h = 2\gamma K / (a - 1)$ at the
    first step. Adam derived as inference: $s$ and $h$ are the variances of the true gradient and of
    its measurement, and the momentum follows from their ratio. Tolerates large learning rates.
    Follows `pytorch_optimizer.VSGD`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        ghattg: $K$, prior ratio of the variances of measurement and gradient.
        ps: $\gamma$, strength of that prior.
        tau1: $\tau_1$, the power with which the learning rate of $b_g$ falls.
        tau2: $\tau_2$, that for $b_h$.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `mu`, the mean of the gradient; `b_g` and `b_h`, rates of the distributions
    of both variances.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import vsgd
        >>> weights = np.ones(3, np.float32)
        >>> learner = vsgd([weights])
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.908, 0.908, 0.908], dtype=float32)

    References:
        Chen et al., [Variational Stochastic Gradient Descent for Deep Neural
        Networks](https://arxiv.org/abs/2404.06549), 2024.
    """
    prior_g, prior_h, a = 2 * ps, 2 * ps * ghattg, 2 * ps + 1.0001
    mu, b_g, b_h = state("mu"), state("b_g", init=prior_g), state("b_h", init=prior_h)
    s = let("s", where(step > 1, b_g / a, prior_g / (2 * ps + 1e-4)))
    h = let("h", where(step > 1, b_h / a, prior_h / (2 * ps + 1e-4)))
    mu_new = assign(mu, (h * mu + s * g) / (s + h))
    q = let("q", s * h / (s + h))
    rate_g, rate_h = step**-tau1, step**-tau2
    b_g_new = assign(b_g, (1 - rate_g) * b_g + rate_g * (prior_g + q + (mu_new - mu) ** 2))
    b_h_new = assign(b_h, (1 - rate_h) * b_h + rate_h * (prior_h + q + (g - mu_new) ** 2))
    u = mu_new / (sqrt(mu_new**2 + q) + eps)
    return combine([b_g_new, b_h_new, assign(p, p - lr * (u + weight_decay * p))])
