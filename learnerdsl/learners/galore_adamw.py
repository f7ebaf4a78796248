"""GaLore: Adam for a projection of the gradient on its largest singular vectors."""

from learnerdsl import assign, let, ndim, rule, sqrt, step
from learnerdsl.learners._projection_parts import (
    adam_direction,
    coordinate_sides,
    projected,
    projected_back,
    singular_basis,
)


@rule
def galore_adamw(
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
    r"""GaLore: AdamW whose moments are those of the gradient's main directions alone.

    $$\text{every 200 steps:} \quad U \Sigma V^\top = g, \quad P = U_{:,\,1:r} \qquad
    R = P^\top g \qquad m \leftarrow \beta_1 m + (1 - \beta_1) R$$

    $$v \leftarrow \beta_2 v + (1 - \beta_2) R^2 \qquad
    p \leftarrow (1 - \eta\lambda) \left(p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}\,
    \alpha\, P \frac{m}{\sqrt{v} + \epsilon}\right)$$

    A matrix with at least as many rows as columns is projected from the right, by the columns of
    $V$. Needs far less memory than Adam, for states with $r$ rows or columns, to train large
    language models on small devices. What is outside of the $r$ directions does not move until $P$
    changes; `fira` moves it too. Where memory is no concern, `adamw` is simpler and as good.
    Follows the authors' `galore_torch`, which leaves $m$ and $v$ as they are when $P$ changes, with
    the defaults of its README, but that a new column of $P$ has the sign by which it points as the
    old one, where theirs has either. `pytorch_optimizer.GaLore` changes $P$ an update earlier after
    the first time. $P$ comes from the eigenvectors of $g g^\top$, so float32 mixes directions whose
    singular values are below about 0.0003 of the largest one. Tensors of more than two axes are
    stacks of matrices. Vectors are updated by AdamW, to which the paper gives embeddings too.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean that is kept.
        beta2: share $\beta_2$ of the mean of squares that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$, after the step.
        scale: $\alpha$, the length of steps of matrices in parts of those of vectors.
        rank: $r$, the number of directions; if a side is not longer, all are taken.
        update_proj_gap: number of updates from one computation of $P$ to the next.

    State variables: `m` and `v`, the moments of $R$, and `basis`, which is $P$; of vectors `m` and
        `v`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import galore_adamw
        >>> weights = np.zeros((3, 3))
        >>> learner = galore_adamw([weights], rank=1)
        >>> learner.update([np.diag([3.0, 2.0, 1.0])])
        True
        >>> weights.round(4) + 0.0
        array([[-0.0025,  0.    ,  0.    ],
               [ 0.    ,  0.    ,  0.    ],
               [ 0.    ,  0.    ,  0.    ]])

    References:
        Zhao et al., [GaLore: Memory-Efficient LLM Training by Gradient Low-Rank
        Projection](https://arxiv.org/abs/2403.03507), 2024.
    """
    rate = lr * sqrt(1 - beta2**step) / (1 - beta1**step)
    if ndim(p) < 2:
        u = adam_direction(g, beta1, beta2, eps)
        return assign(p, (1 - lr * weight_decay) * (p - rate * u))
    basis = singular_basis(g, p, update_proj_gap, rank)
    r = let("r", projected(g, basis, p))
    u = let("u", adam_direction(r, beta1, beta2, eps, coordinate_sides(p, rank)))
    return assign(p, (1 - lr * weight_decay) * (p - rate * scale * projected_back(u, basis, p)))
