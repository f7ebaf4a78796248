"""SGDP and AdamP: steps without the part that only changes the norm of the weights."""

from learnerdsl import (
    abs,
    assign,
    let,
    max,
    maximum,
    mean,
    ndim,
    rule,
    size,
    sqrt,
    state,
    step,
    sum,
    where,
)


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

    with norms, products and the number $n$ of elements first for each index of the first axis, and
    otherwise for the whole tensor; vectors are never projected. For networks with normalisation
    layers, in which momentum makes weights grow. Follows `timm.optim.SGDP`, also in the division by
    $1 - \mu$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the buffer that is kept.
        dampening: share $\tau$ of the gradient that is left out of the buffer.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, added to the norm, and the least norm for the cosine.
        delta: $\delta$, the cosine below which the scale of the weights counts as irrelevant.
        wd_ratio: $r$, the share of the decay that is left where steps are projected.
        nesterov: whether to look ahead.

    State variables: `b`, the momentum buffer.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import sgdp
        >>> weights = np.ones((1, 3), np.float32)
        >>> learner = sgdp([weights], lr=0.1)
        >>> learner.update([np.array([[2.1, -1, -1]], np.float32)])
        True
        >>> weights.round(3)
        array([[0.793, 1.103, 1.103]], dtype=float32)

    References:
        Heo et al., [AdamP: Slowing Down the Slowdown](https://arxiv.org/abs/2006.08217), 2021.
    """
    b = state("b")
    b_new = assign(b, momentum * b + (1 - dampening) * g)
    u = let("u", g + momentum * b_new if nesterov else b_new)
    along, ratio = _radial(p, g, u, delta, wd_ratio, eps)
    return assign(p, p * (1 - lr * weight_decay * ratio / (1 - momentum)) - lr * (u - along * p))


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

    with $u$ and $\lambda$ changed in between as in `sgdp`, and for the same networks. With
    Nesterov's momentum, $m$ stands for $\beta_1 m + (1 - \beta_1) g$. Follows `timm.optim.AdamP`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to roots and norms, and the least norm for the cosine.
        weight_decay: decoupled weight decay $\lambda$.
        delta: $\delta$, the cosine below which the scale of the weights counts as irrelevant.
        wd_ratio: $r$, the share of the decay that is left where steps are projected.
        nesterov: whether to look ahead, as Nesterov's momentum does.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adamp
        >>> weights = np.ones((1, 3), np.float32)
        >>> learner = adamp([weights], lr=0.1)
        >>> learner.update([np.array([[2, -1, -1]], np.float32)])
        True
        >>> weights.round(3)
        array([[0.867, 1.067, 1.067]], dtype=float32)

    References:
        Heo et al., [AdamP: Slowing Down the Slowdown](https://arxiv.org/abs/2006.08217), 2021.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    ahead = beta1 * m_new + (1 - beta1) * g if nesterov else m_new
    u = let("u", ahead / (sqrt(v_new / (1 - beta2**step)) + eps))
    along, ratio = _radial(p, g, u, delta, wd_ratio, eps)
    move = lr / (1 - beta1**step) * (u - along * p)
    return assign(p, p * (1 - lr * weight_decay * ratio) - move)


def _radial(p, g, u, delta, wd_ratio, eps):
    """Return the multiple of p to remove from u, and the share of the decay that remains."""
    if ndim(p) < 2:
        return 0, 1
    inner = tuple(range(1, ndim(p)))
    by_row = [sum(x, axis=inner) for x in (p**2, g**2, g * p, p * u)]
    total = [mean(x) * size(p, axis=0) for x in by_row]
    (cosines, row_parts), (cosine, part) = _alignment(by_row, eps), _alignment(total, eps)
    rows_fit = max(cosines) < delta / sqrt(size(p, axis=inner))
    fits = cosine < delta / sqrt(size(p))
    along = let("along", where(rows_fit, row_parts, where(fits, part, 0)))
    return along, let("ratio", where(rows_fit | fits, wd_ratio, 1))


def _alignment(sums, eps):
    """Return the absolute cosine between gradient and weights, and the part of u along p."""
    p_squared, g_squared, gp, pu = sums
    cosine = abs(gp) / maximum(sqrt(p_squared), eps) / maximum(sqrt(g_squared), eps)
    return cosine, pu / (sqrt(p_squared) + eps) ** 2
