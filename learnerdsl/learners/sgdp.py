"""SGDP and AdamP: steps without the part that only changes the norm of the weights."""

from learnerdsl.define import rule
from learnerdsl.expr import abs, max, maximum, norm, size, sqrt, step, sum, where
from learnerdsl.rule import assign, let, ndim, state


@rule
def sgdp(
    p,
    g,
    lr=1e-3,
    momentum=0.0,
    dampening=0.0,
    weight_decay=0.0,
    eps=1e-8,
    delta=0.1,
    wd_ratio=0.1,
    nesterov=False,
):
    r"""SGDP: momentum whose steps are tangential where a tensor's scale has no effect.

    $$b \leftarrow \mu b + (1 - \tau)\, g \qquad
    u = b \text{ or, with Nesterov, } g + \mu b \qquad
    \hat{p} = \frac{p}{\lVert p \rVert + \epsilon}$$

    $$\text{if } \max |\cos(g, p)| < \frac{\delta}{\sqrt{n}}: \qquad
    u \leftarrow u - \hat{p} \langle \hat{p}, u \rangle \qquad
    \lambda \leftarrow r \lambda$$

    $$p \leftarrow \left(1 - \frac{\eta \lambda}{1 - \mu}\right) p - \eta u$$

    with norms, products and the number $n$ of elements first over each index of the first axis,
    and if that condition does not hold, over the whole tensor; vectors are never projected. For
    networks with batch or layer normalisation, where momentum makes weights grow and steps
    relative to them fall. As `timm.optim.SGDP`, whose weight decay is divided by $1 - \mu$, too.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the buffer that is kept.
        dampening: share $\tau$ of the gradient that is left out of the buffer.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, added to the norm, and the least norm for the cosine.
        delta: $\delta$, the cosine below which weights count as without a scale.
        wd_ratio: $r$, the share of the decay that is left where steps are projected.
        nesterov: whether to look ahead as Nesterov's momentum does.

    State variables: `b`, the momentum buffer.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import sgdp
        >>> weights = np.ones((2, 3), np.float32)
        >>> learner = sgdp([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([[0.9, 0.9, 0.9],
               [0.9, 0.9, 0.9]], dtype=float32)

    References:
        Heo et al., [AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant
        Weights](https://arxiv.org/abs/2006.08217), 2021.
    """
    b = state("b")
    b_new = assign(b, momentum * b + (1 - dampening) * g)
    u = let("u", g + momentum * b_new if nesterov else b_new)
    along, ratio = _radial(p, g, u, delta, wd_ratio, eps)
    decay = 1 - lr * weight_decay * ratio / (1 - momentum)
    return assign(p, p * decay - lr * (u - along * p))


@rule
def adamp(
    p,
    g,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    delta=0.1,
    wd_ratio=0.1,
    nesterov=False,
):
    r"""AdamP: Adam whose steps are tangential where a tensor's scale has no effect.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    u = \frac{m}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$

    $$p \leftarrow (1 - \eta \lambda) p - \frac{\eta}{1 - \beta_1^t} u$$

    with $u$ and $\lambda$ changed in between as in `sgdp`, for the same networks. With Nesterov,
    $\beta_1 m + (1 - \beta_1) g$ stands for $m$ in $u$. As `timm.optim.AdamP`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to roots and norms, and the least norm for the cosine.
        weight_decay: decoupled weight decay $\lambda$.
        delta: $\delta$, the cosine below which weights count as without a scale.
        wd_ratio: $r$, the share of the decay that is left where steps are projected.
        nesterov: whether to look ahead as Nesterov's momentum does.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adamp
        >>> weights = np.ones((2, 3), np.float32)
        >>> learner = adamp([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([[0.9, 0.9, 0.9],
               [0.9, 0.9, 0.9]], dtype=float32)

    References:
        Heo et al., [AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant
        Weights](https://arxiv.org/abs/2006.08217), 2021.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    mean = beta1 * m_new + (1 - beta1) * g if nesterov else m_new
    u = let("u", mean / (sqrt(v_new / (1 - beta2**step)) + eps))
    along, ratio = _radial(p, g, u, delta, wd_ratio, eps)
    step_size = lr / (1 - beta1**step)
    return assign(p, p * (1 - lr * weight_decay * ratio) - step_size * (u - along * p))


def _radial(p, g, u, delta, wd_ratio, eps):
    """What of u lies along p, in parts of p, and is to be left out; the share of the decay."""
    if ndim(p) < 2:
        return 0, 1
    by_row, row_part = _alignment(p, g, u, delta, eps, tuple(range(1, ndim(p))))
    as_whole, part = _alignment(p, g, u, delta, eps, None)
    along = let("along", where(by_row, row_part, where(as_whole, part, 0)))
    return along, let("ratio", where(by_row | as_whole, wd_ratio, 1))


def _alignment(p, g, u, delta, eps, axis):
    """Whether g is orthogonal to p over those axes; the part of u along p."""
    length = norm(p, axis=axis)
    cosine = abs(sum(g * p, axis=axis)) / maximum(length, eps) / maximum(norm(g, axis=axis), eps)
    bound = delta / sqrt(size(p, axis=axis))
    return (max(cosine) if axis else cosine) < bound, sum(p * u, axis=axis) / (length + eps) ** 2
