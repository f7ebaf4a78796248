"""MAdam: Adam without epsilon, whose squares are scaled so that they do not underflow."""

from learnerdsl import assign, equal, let, rule, sqrt, state, step, where


@rule
def madam(p, g, lr=1e-3, beta1=0.9, beta2=0.999, weight_decay=0.0, scale_log2=16.0):
    r"""MAdam, magnitude-aware Adam: nothing is added to the root, and squares are scaled.

    $$s = 2^{c/2} \qquad m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, (s g)^2$$

    $$p \leftarrow (1 - \eta \lambda) p - \eta s \frac{m / (1 - \beta_1^t)}
    {\sqrt{v / (1 - \beta_2^t)}}, \quad \text{where } m \ne 0$$

    For large models whose gradients are so small that an $\epsilon$ shortens their steps, and that
    their squares are 0 in float32: choose $c$ so large that $s^2 g^2$ is above $10^{-38}$. In
    exchange nothing damps the steps of elements whose gradients are nearly always 0. Follows
    `calculate_madam_update` of Emerging-Optimizers, with decoupled decay. Where $v$ is 0 although
    $m$ is not, the step is not finite, as there. Madam, the multiplicative rule of Bernstein et al.
    (2020), is another.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean square that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        scale_log2: $c$, the logarithm of the scale of squares; with an even number scaling does not
            round. Keep it while training: `v` contains it.

    State variables: `m`, the running mean of the gradient; `v`, that of its scaled square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import madam
        >>> weights = np.ones(3, np.float32)
        >>> learner = madam([weights], lr=0.1, scale_log2=80)
        >>> learner.update([np.array([1, 1e-24, 0], np.float32)])
        True
        >>> weights.round(3)
        array([0.9, 0.9, 1. ], dtype=float32)

    References:
        [Emerging-Optimizers](https://github.com/NVIDIA-NeMo/Emerging-Optimizers), `madam.py`, 2026.
    """
    m, v = state("m"), state("v")
    s = 2 ** (scale_log2 / 2)
    scaled = let("scaled", s * g)
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * scaled**2)
    m_hat = let("m_hat", s / (1 - beta1**step) * m_new)
    root = sqrt(v_new / (1 - beta2**step))
    direction = let("direction", where(equal(m_new, 0), 0, m_hat / root))
    return assign(p, (1 - lr * weight_decay) * p - lr * direction)
