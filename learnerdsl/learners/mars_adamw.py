"""MARS: AdamW and Lion on gradients of reduced variance."""

from learnerdsl import assign, combine, let, maximum, ndim, norm, rule, sign, sqrt, state, step


@rule
def mars_adamw(
    p,
    g,
    lr=3e-3,
    beta1=0.9,
    beta2=0.99,
    gamma=0.025,
    eps=1e-8,
    weight_decay=0.0,
    optimize_1d=False,
):
    r"""MARS-AdamW: AdamW on gradients corrected by how they changed since the last step.

    $$c = g + \gamma \frac{\beta_1}{1 - \beta_1} (g - g') \qquad
    c \leftarrow \frac{c}{\max(1, \lVert c \rVert)} \qquad
    g' \leftarrow g$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, c \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, c^2 \qquad
    p \leftarrow p - \eta \left( \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}
    + \lambda p \right)$$

    with the norm over one tensor. $c = g$ at the first step, and always for tensors of fewer than
    two axes. For large language models, where it needs fewer tokens than AdamW for the same loss.
    Follows `timm.optim.Mars`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        gamma: strength $\gamma$ of the reduction of variance; 0 for none.
        eps: $\epsilon$, added to the root of the corrected $v$.
        weight_decay: decoupled weight decay $\lambda$.
        optimize_1d: whether vectors are treated like matrices.

    State variables: `m` and `v`, the running means of the corrected gradient and of its square;
    `previous`, the last gradient $g'$, of tensors that need it.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import mars_adamw
        >>> weights = np.ones((1, 2), np.float32)
        >>> learner = mars_adamw([weights], lr=0.1)
        >>> for gradient in ([[1, 1]], [[1, -1]]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [[0.9 0.9]]
        [[0.801 0.913]]

    References:
        Yuan et al., [MARS: Unleashing the Power of Variance Reduction for Training Large
        Models](https://arxiv.org/abs/2411.10438), 2024.
    """
    if ndim(p) < 2 and not optimize_1d:
        return _adamw(p, g, lr, beta1, beta2, eps, weight_decay)
    previous = state("previous", init=g)
    moved = _adamw(p, _corrected(g, previous, beta1, gamma), lr, beta1, beta2, eps, weight_decay)
    return combine([moved, assign(previous, g)])


@rule
def mars_lion(
    p,
    g,
    lr=3e-3,
    beta1=0.9,
    beta2=0.99,
    gamma=0.025,
    eps=1e-8,
    weight_decay=0.0,
    optimize_1d=False,
):
    r"""MARS-Lion: the sign of a momentum of gradients of reduced variance.

    $$c = g + \gamma \frac{\beta_1}{1 - \beta_1} (g - g') \qquad
    c \leftarrow \frac{c}{\max(1, \lVert c \rVert)} \qquad
    g' \leftarrow g$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, c \qquad
    p \leftarrow p - \eta (\mathrm{sign}(m) + \lambda p)$$

    with the norm over one tensor, and $c = g$ at the first step. Tensors of fewer than two axes are
    left to AdamW. Needs a rate several times lower than `mars_adamw`, as `lion` does compared with
    `adamw`. Follows `timm.optim.Mars(mars_type="lion")`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, the size of every step.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share of the mean squared gradient that is kept for vectors.
        gamma: strength $\gamma$ of the reduction of variance; 0 for none.
        eps: added to the root of the corrected mean square for vectors.
        weight_decay: decoupled weight decay $\lambda$.
        optimize_1d: whether vectors are treated like matrices.

    State variables: `m`, the running mean of the corrected gradient; `previous`, the last
    gradient $g'$; for vectors `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import mars_lion
        >>> weights = np.ones((1, 2), np.float32)
        >>> learner = mars_lion([weights], lr=0.1, gamma=0.2)
        >>> for gradient in ([[1, -1]], [[-0.3, -1]]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [[0.9 1.1]]
        [[1.  1.2]]

    References:
        Yuan et al., [MARS: Unleashing the Power of Variance Reduction for Training Large
        Models](https://arxiv.org/abs/2411.10438), 2024.
    """
    if ndim(p) < 2 and not optimize_1d:
        return _adamw(p, g, lr, beta1, beta2, eps, weight_decay)
    m, previous = state("m"), state("previous", init=g)
    m_new = assign(m, beta1 * m + (1 - beta1) * _corrected(g, previous, beta1, gamma))
    moved = assign(p, p - lr * (sign(m_new) + weight_decay * p))
    return combine([moved, assign(previous, g)])


def _adamw(p, g, lr, beta1, beta2, eps, weight_decay):
    """Return the update of AdamW."""
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    return assign(p, p - lr * (m_hat / (sqrt(v_hat) + eps) + weight_decay * p))


def _corrected(g, previous, beta1, gamma):
    """Return the gradient with reduced variance, clipped to a norm of 1."""
    c = let("c", g + gamma * beta1 / (1 - beta1) * (g - previous))
    return c / let("c_norm", maximum(1, norm(c)))
