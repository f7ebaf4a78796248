"""FAdam: Adam as a natural gradient, with the diagonal of the Fisher information."""

from learnerdsl import assign, let, maximum, mean, minimum, rule, sqrt, state, step, where


@rule
def fadam(
    p,
    g,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    eps2=0.01,
    clip=1.0,
    weight_decay=0.1,
):
    r"""FAdam: Adam, corrected after interpreting it as a natural gradient method.

    $$\hat\beta = \beta_2 \frac{1 - \beta_2^{t-1}}{1 - \beta_2^t} \qquad
    f \leftarrow \hat\beta f + (1 - \hat\beta)\, g^2 \qquad
    F = \sqrt{f} + \min(\epsilon, \epsilon_2 \, \mathrm{rms}\, g)$$

    $$n = \frac{g}{F} \bigg/ \max \left( 1, \frac{\mathrm{rms}(g / F)}{c} \right) \qquad
    w = \frac{p}{F} \bigg/ \max \left( 1, \frac{\mathrm{rms}(p / F)}{c} \right)$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, n \qquad
    p \leftarrow p - \eta (m + \lambda w)$$

    with the root mean squares over one tensor. The momentum averages natural gradients, as in
    `laprop`, and the decay is divided by $F$, too, which the paper derives from the same geometry.
    Three passes over memory make it slower than AdamW. Follows `pytorch_optimizer.FAdam` from 4.1
    on with its power of 1/2 ($\epsilon$ alone where the gradient is zero).

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean natural gradient that is kept.
        beta2: share $\beta_2$ of the Fisher information that is kept.
        eps: $\epsilon$, the most that is added to the root.
        eps2: $\epsilon_2$, the share of the gradient that is added where that is less than
            $\epsilon$.
        clip: largest root mean square $c$ of natural gradient and decay.
        weight_decay: weight decay $\lambda$.

    State variables: `m`, the running mean of the natural gradient, and `f`, the diagonal of the
    Fisher information.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import fadam
        >>> weights = np.ones(3, np.float32)
        >>> learner = fadam([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.98, 0.98, 0.98], dtype=float32)

    References:
        Hwang, [FAdam: Adam is a natural gradient optimizer using diagonal empirical Fisher
        information](https://arxiv.org/abs/2405.12807), 2024.
    """
    m, f = state("m"), state("f")
    b2 = beta2 * (1 - beta2 ** (step - 1)) / (1 - beta2**step)
    f_new = assign(f, b2 * f + (1 - b2) * g**2)
    rms = let("rms", sqrt(mean(g**2)))
    eps_hat = let("eps_hat", where(rms > 0, minimum(eps, eps2 * rms), eps))
    divisor = let("divisor", sqrt(f_new) + eps_hat)
    natural, decay = let("natural", g / divisor), let("decay", p / divisor)
    n = natural / let("n_clip", maximum(1, sqrt(mean(natural**2)) / clip))
    w = decay / let("w_clip", maximum(1, sqrt(mean(decay**2)) / clip))
    m_new = assign(m, beta1 * m + (1 - beta1) * n)
    return assign(p, p - lr * (m_new + weight_decay * w))
