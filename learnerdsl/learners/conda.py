"""Conda: Adam whose second moments are those of the momentum's singular directions."""

from learnerdsl import assign, let, ndim, rule, sqrt, state, step
from learnerdsl.learners._projection_parts import projected, projected_back, singular_basis


@rule
def conda(
    p,
    g,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    scale=1.0,
    update_proj_gap=2000,
):
    r"""Conda: Adam in the directions of the momentum's singular vectors, which turn rarely.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    \text{every 2000 steps:} \quad U \Sigma V^\top = m$$

    $$v \leftarrow \beta_2 v + (1 - \beta_2) (U^\top g)^2 \qquad
    p \leftarrow (1 - \eta\lambda) \left(p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}\,
    \alpha\, U \frac{U^\top m}{\sqrt{v} + \epsilon}\right)$$

    A matrix with at least as many rows as columns is turned from the right, by $V$. A step is about
    as long in each of these directions, as one of `muon`, and what Adam divides by is still a value
    for each element. For the weight matrices of language models, which it trains in fewer steps
    than AdamW, each of about the same cost, as $U$ is found rarely. Not for embeddings and last
    layers, which the authors give to AdamW, nor where a square matrix of the shorter side is too
    large to be kept. Follows the authors' `conda_torch`; `pytorch_optimizer.Conda` finds $U$ an
    update earlier after the first time. $U$ comes from the eigenvectors of $m m^\top$, so float32
    mixes directions whose singular values are below about 0.0003 of the largest one. The authors
    train with `lr=0.01`, `scale=0.25` and `beta2=0.99`. Tensors of more than two axes are stacks of
    matrices; vectors are updated by Adam.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean that is kept.
        beta2: share $\beta_2$ of the mean of squares that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$, after the step.
        scale: $\alpha$, the length of steps of matrices in parts of those of vectors.
        update_proj_gap: number of updates from one computation of $U$ to the next.

    State variables: `m` and `v`; of matrices also `basis`, which is $U$, or $V$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import conda
        >>> weights = np.zeros((2, 2))
        >>> learner = conda([weights], lr=0.1)
        >>> learner.update([np.array([[3.0, 1.0], [3.0, -1.0]])])
        True
        >>> np.linalg.svd(weights)[1].round(3)
        array([0.141, 0.141])

    References:
        Wang et al., [Conda: Column-Normalized Adam for Training Large Language Models
        Faster](https://arxiv.org/abs/2509.24218), 2025.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    rate = lr * sqrt(1 - beta2**step) / (1 - beta1**step)
    if ndim(p) < 2:
        v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
        return assign(p, (1 - lr * weight_decay) * (p - rate * m_new / (sqrt(v_new) + eps)))
    u = singular_basis(m_new, p, update_proj_gap)
    v_new = assign(v, beta2 * v + (1 - beta2) * projected(g, u, p) ** 2)
    turned = let("turned", projected(m_new, u, p) / (sqrt(v_new) + eps))
    return assign(p, (1 - lr * weight_decay) * (p - rate * scale * projected_back(turned, u, p)))
