"""APOLLO: the gradient scaled as Adam would, as far as a random projection of low rank says."""

from learnerdsl import (
    assign,
    combine,
    equal,
    let,
    matmul,
    ndim,
    norm,
    normal,
    rule,
    sqrt,
    state,
    step,
    where,
)
from learnerdsl.learners._projection_parts import adam_direction, growth_limiter, is_tall
from learnerdsl.options import whole_from


def _projected(p, g, rank, every):
    """Return a random projection of the gradient along its shorter side, and its two sides."""
    own = ("cols", rank) if is_tall(p) else (rank, "rows")
    old = state("projection", shape=own)
    is_due = equal((step - 1) % whole_from(1, "every", every), 0)
    drawn = normal(shape=own) / sqrt(whole_from(1, "rank", rank))
    new = assign(old, where(is_due, drawn, old))
    r = let("r", matmul(g, new) if is_tall(p) else matmul(new, g))
    return new, r, ("rows", rank) if is_tall(p) else (rank, "cols")


def _apollo_step(p, g, lr, beta1, beta2, eps, weight_decay, rank, scale, every, channel):
    """Return the update, which both rules share."""
    rate = lr * sqrt(1 - beta2**step) / (1 - beta1**step)
    if ndim(p) < 2:
        u = adam_direction(g, beta1, beta2, eps)
        return assign(p, (1 - lr * weight_decay) * (p - rate * u))
    projection, r, sides = _projected(p, g, rank, every)
    u = let("u", adam_direction(r, beta1, beta2, eps, sides))
    axis = (-2, -1) if not channel else -1 if sides[0] == "rows" else -2
    scaled = let("scaled", g * (norm(u, axis=axis) / (norm(r, axis=axis) + 1e-8)))
    limiter, length = growth_limiter(p, scaled)
    moved = p - rate * sqrt(scale) * (scaled / limiter)
    return combine([projection, length, assign(p, (1 - lr * weight_decay) * moved)])


@rule
def apollo_low_rank(
    p,
    g,
    lr=0.01,
    beta1=0.9,
    beta2=0.999,
    eps=1e-6,
    weight_decay=0.0,
    scale=1.0,
    rank=256,
    every=200,
):
    r"""APOLLO: each row of the gradient scaled as Adam scales a random projection of it.

    $$R = g P \qquad m \leftarrow \beta_1 m + (1 - \beta_1) R \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2) R^2 \qquad u = \frac{m}{\sqrt v + \epsilon}$$

    $$s = \frac{\lVert u \rVert_{\text{row}}}{\lVert R \rVert_{\text{row}} + 10^{-8}} \qquad
    \ell = \max\left(\frac{\lVert s g \rVert}{n + 10^{-8}},\, 1.01\right) / 1.01 \qquad
    n \leftarrow \lVert s g \rVert / \ell$$

    $$p \leftarrow (1 - \eta\lambda) \left(p - \eta\,
    \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \sqrt{\alpha}\, \frac{s g}{\ell}\right)$$

    $P$ is normal with variance 1/rank, and drawn anew every 200 updates; $\ell$ is 1 at first. A
    matrix with fewer rows than columns is projected from the left, and $s$ is one number for each
    column. Needs far less memory than Adam, for two states of `rank` columns, and as good for large
    language models; where memory is no concern, `adamw` is simpler. Follows the authors'
    `apollo_torch`, with random numbers of another generator. Tensors of more than two axes are
    stacks of matrices. Vectors are updated by AdamW, whose decay comes last here.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean that is kept.
        beta2: share $\beta_2$ of the mean of squares that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$, after the step.
        scale: $\alpha$, for what a low rank loses.
        rank: columns of the projection.
        every: number of updates from one projection to the next.

    State variables: `projection`; `m` and `v`, the moments of the projected gradient; `length`, the
        norm $n$ of the last step. Of vectors `m` and `v`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import apollo_low_rank
        >>> weights = np.zeros((2, 3))
        >>> learner = apollo_low_rank([weights], lr=0.1, rank=2)
        >>> learner.update([np.array([[3.0, 0.0, 1.0], [0.0, -0.1, 1.0]])])
        True
        >>> {name: state.shape for name, state in learner.state[0].items()}
        {'projection': (2, 2), 'm': (2, 3), 'v': (2, 3), 'length': ()}

    References:
        Zhu et al., [APOLLO: SGD-like Memory, AdamW-level
        Performance](https://arxiv.org/abs/2412.05270), 2025.
    """
    return _apollo_step(p, g, lr, beta1, beta2, eps, weight_decay, rank, scale, every, channel=True)


@rule
def apollo_mini(
    p, g, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.0, scale=128.0, every=200
):
    r"""APOLLO-Mini: the gradient times one number, from a projection of rank 1.

    $$R = g P \qquad s = \frac{\lVert u \rVert}{\lVert R \rVert + 10^{-8}} \qquad
    p \leftarrow (1 - \eta\lambda) \left(p - \eta\,
    \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \sqrt{\alpha}\, \frac{s g}{\ell}\right)$$

    with $u$, the step of Adam for $R$, and the limiter $\ell$ of `apollo_low_rank`, and a $P$ with
    one column. About as little memory as SGD, for large language models. For small models, and
    where steps of the elements of a matrix have to differ, `adamw` is the better choice. Follows
    the authors' `apollo_torch`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean that is kept.
        beta2: share $\beta_2$ of the mean of squares that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$, after the step.
        scale: $\alpha$, for what a low rank loses.
        every: number of updates from one projection to the next.

    State variables: `projection`, `m`, `v` and `length`, as of `apollo_low_rank`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import apollo_mini
        >>> weights = np.zeros((3, 2))
        >>> learner = apollo_mini([weights], lr=0.1)
        >>> learner.update([np.array([[1.0, 0.0], [0.0, -1.0], [0.0, 0.0]])])
        True
        >>> abs(weights[0, 0]) == abs(weights[1, 1])
        np.True_

    References:
        Zhu et al., [APOLLO: SGD-like Memory, AdamW-level
        Performance](https://arxiv.org/abs/2412.05270), 2025.
    """
    return _apollo_step(p, g, lr, beta1, beta2, eps, weight_decay, 1, scale, every, channel=False)
