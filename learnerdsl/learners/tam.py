"""TAM and AdaTAM: momentum that weights gradients by how well they agree with it."""

from learnerdsl import assign, let, maximum, ndim, norm, rule, sqrt, state


@rule
def tam(p, g, lr=1e-3, momentum=0.9, decay_rate=0.9, eps=1e-8, weight_decay=0.0):
    r"""TAM: torque-aware momentum, which damps gradients that turn away from the momentum.

    $$c = \frac{b}{\lVert b \rVert} \cdot \frac{g}{\lVert g \rVert} \qquad
    s \leftarrow \gamma s + (1 - \gamma)\, c \qquad
    b \leftarrow \mu b + \left(\frac{1 + s}{2} + \epsilon\right) g \qquad
    p \leftarrow (1 - \eta \lambda) p - \eta b$$

    with norms over the first axis, at least $10^{-12}$, and $b$ starting from the first gradient.
    For deep networks whose gradients are noisy and often change direction. The step is about half
    of that of momentum at the same rate. Follows `pytorch_optimizer.TAM`: $c$ is a product for each
    element; the paper sums these to a cosine.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the buffer that is kept.
        decay_rate: share $\gamma$ of the mean agreement that is kept.
        eps: $\epsilon$, the least weight of a gradient.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `s`, the mean agreement; `b`, the momentum buffer.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import tam
        >>> weights = np.ones((2, 3), np.float32)
        >>> learner = tam([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([[0.858, 0.858, 0.858],
               [0.858, 0.858, 0.858]], dtype=float32)

    References:
        Malviya et al., [Torque-Aware Momentum](https://arxiv.org/abs/2412.18790), 2024.
    """
    b = state("b", init=g)
    b_new = assign(b, momentum * b + _damped(b, g, decay_rate, eps))
    return assign(p, p * (1 - lr * weight_decay) - lr * b_new)


@rule
def adatam(p, g, lr=1e-3, beta1=0.9, beta2=0.999, decay_rate=0.9, eps=1e-8, weight_decay=0.0):
    r"""AdaTAM: torque-aware momentum divided by the root of the mean squared gradient.

    $$c = \frac{m}{\lVert m \rVert} \cdot \frac{g}{\lVert g \rVert} \qquad
    s \leftarrow \gamma s + (1 - \gamma)\, c \qquad
    m \leftarrow \beta_1 m + \left(\frac{1 + s}{2} + \epsilon\right) g$$

    $$v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    p \leftarrow (1 - \eta \lambda) p - \frac{\eta m}{\sqrt{v} + \epsilon}$$

    with norms as in `tam`, and for the same networks. There is no bias correction, and $m$ is a
    sum: steps are several times those of Adam at the same rate. Follows `pytorch_optimizer.AdaTAM`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the momentum that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        decay_rate: share $\gamma$ of the mean agreement that is kept.
        eps: $\epsilon$, the least weight of a gradient, also added to the root of $v$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `s`, the mean agreement; `m`, the momentum; `v`, the mean squared gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adatam
        >>> weights = np.ones((2, 3), np.float32)
        >>> learner = adatam([weights], lr=0.01)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([[0.842, 0.842, 0.842],
               [0.842, 0.842, 0.842]], dtype=float32)

    References:
        Malviya et al., [Torque-Aware Momentum](https://arxiv.org/abs/2412.18790), 2024.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + _damped(m, g, decay_rate, eps))
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    return assign(p, p * (1 - lr * weight_decay) - lr * m_new / (sqrt(v_new) + eps))


def _damped(momentum, g, decay_rate, eps):
    """Return the gradient times its mean agreement with the momentum, between 0 and 1."""
    s = state("s")
    agreement = _unit("momentum_length", momentum, g) * _unit("gradient_length", g, g)
    return ((1 + assign(s, decay_rate * s + (1 - decay_rate) * agreement)) / 2 + eps) * g


def _unit(name, x, g):
    """Return `x` divided by its norm over the first axis."""
    return x / let(name, maximum(norm(x, axis=0 if ndim(g) else None), 1e-12))
