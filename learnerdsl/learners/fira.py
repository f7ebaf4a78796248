"""Fira: GaLore, with the gradient outside of its directions scaled as the gradient inside is."""

from learnerdsl import assign, combine, let, ndim, norm, rule, sqrt, step
from learnerdsl.learners._projection_parts import (
    adam_direction,
    coordinate_sides,
    growth_limiter,
    is_tall,
    projected,
    projected_back,
    singular_basis,
)


@rule
def fira(
    p,
    g,
    lr=0.01,
    beta1=0.9,
    beta2=0.999,
    eps=1e-6,
    weight_decay=0.0,
    scale=0.25,
    rank=128,
    update_proj_gap=200,
):
    r"""Fira: Adam in the gradient's main directions, and SGD scaled alike in the others.

    $$\text{every 200 steps:} \quad U \Sigma V^\top = g, \quad P = U_{:,\,1:r} \qquad
    R = P^\top g \qquad u = \frac{m}{\sqrt{v} + \epsilon}$$

    $$S = \frac{\lVert u \rVert_{\text{columns}}}{\lVert R \rVert_{\text{columns}} + 10^{-8}}
    \,(g - \alpha P R) \qquad
    \ell = \max\left(\frac{\lVert S \rVert}{n + 10^{-8}},\, 1.01\right) / 1.01 \qquad
    n \leftarrow \lVert S \rVert / \ell$$

    $$p \leftarrow (1 - \eta\lambda) \left(p - \eta\,
    \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \left(\alpha P u + \frac{S}{\ell}\right)\right)$$

    where $m$ and $v$ are the moments of $R$ as in `galore_adamw`, which is what remains without
    $S$, and $\ell$ is 1 at first. A matrix with at least as many rows as columns is projected from
    the right, and then each row has one factor. For the memory of GaLore every weight moves in
    every update, as Adam would scale it on average, to train large language models on small
    devices. Where memory is no concern, `adamw` is simpler. Follows the authors' code, which takes
    $\alpha P R$ from the gradient where the paper has $P R$, with the settings by which they train
    small models, and as `galore_adamw` in the signs of $P$ and in float32. `pytorch_optimizer.Fira`
    changes $P$ an update earlier after the first time. Tensors of more than two axes are stacks of
    matrices; vectors are updated by AdamW.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean that is kept.
        beta2: share $\beta_2$ of the mean of squares that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$, after the step.
        scale: $\alpha$, for the step in the main directions.
        rank: $r$, the number of directions; if a side is not longer, all are taken.
        update_proj_gap: number of updates from one computation of $P$ to the next.

    State variables: `m` and `v`, the moments of $R$; `basis`, which is $P$; `length`, the norm $n$
        of the last $S$. Of vectors `m` and `v`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import fira
        >>> weights = np.zeros((3, 3))
        >>> learner = fira([weights], rank=1, scale=1.0)
        >>> learner.update([np.array([[8.0, 4.0, 0.0], [4.0, 2.0, 1.0], [0.0, 0.0, 0.0]])])
        True
        >>> np.linalg.matrix_rank(weights)
        np.int64(2)

    References:
        Chen et al., [Fira: Can We Achieve Full-rank Training of LLMs Under Low-rank
        Constraint?](https://arxiv.org/abs/2410.01623), 2024.
    """
    rate = lr * sqrt(1 - beta2**step) / (1 - beta1**step)
    if ndim(p) < 2:
        u = adam_direction(g, beta1, beta2, eps)
        return assign(p, (1 - lr * weight_decay) * (p - rate * u))
    basis = singular_basis(g, p, update_proj_gap, rank)
    r = let("r", projected(g, basis, p))
    u = let("u", adam_direction(r, beta1, beta2, eps, coordinate_sides(p, rank)))
    axis = -1 if is_tall(p) else -2
    factor = norm(u, axis=axis) / (norm(r, axis=axis) + 1e-8)
    s = let("s", factor * (g - scale * projected_back(r, basis, p)))
    limiter, length = growth_limiter(p, s)
    moved = p - rate * (scale * projected_back(u, basis, p) + s / limiter)
    return combine([length, assign(p, (1 - lr * weight_decay) * moved)])
