"""COSMOS: SOAP in the leading directions of the gradient, and Muon in the others."""

from learnerdsl import (
    assign,
    combine,
    eigenvectors,
    equal,
    first_columns,
    let,
    matmul,
    ndim,
    orthogonalize,
    orthonormal,
    rule,
    shape,
    sides,
    size,
    sqrt,
    state,
    step,
    transpose,
    where,
)
from learnerdsl.learners._muon_parts import matrix_norm
from learnerdsl.learners._projection_parts import adam_direction
from learnerdsl.options import whole_from


def _leading_basis(g, p, beta2, rank):
    """Return the update of the basis U and that of S, by one step of power iteration."""
    cols = shape(p)[-1]
    count = rank if whole_from(1, "rank", rank) < cols else "cols"
    old, s = state("basis", shape=("cols", count)), state("s", shape=sides(count, count))
    is_first = equal(step, 1)
    found = eigenvectors(matmul(transpose(g), g))
    found = found if count == "cols" else first_columns(found, rank)
    by_power = beta2 * matmul(old, s) + (1 - beta2) * matmul(transpose(g), matmul(g, old))
    u = assign(old, where(is_first, found, orthonormal(by_power)))
    turn = matmul(transpose(old), u)
    r = let("r", matmul(g, u))
    kept = where(is_first, s, matmul(transpose(turn), matmul(s, turn)))
    s_new = assign(s, beta2 * kept + (1 - beta2) * matmul(transpose(r), r))
    return u, r, s_new


@rule
def cosmos(
    p,
    g,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    weight_decay=0.0,
    gamma=0.2,
    lr_ratio=0.1,
    rank=64,
):
    r"""COSMOS: Adam in slowly turning leading directions, and Muon for what is outside of them.

    $$m \leftarrow \beta_1 m + g \qquad
    U' = \mathrm{qr}(\beta_2 U S + (1 - \beta_2)\, g^\top g\, U) \qquad
    S \leftarrow U'^\top (\beta_2 U S U^\top + (1 - \beta_2)\, g^\top g)\, U' \qquad
    U \leftarrow U'$$

    $$v \leftarrow \beta_2 v + (1 - \beta_2) (g U)^2 \qquad
    \hat{m} = \frac{g + \beta_1 m}{1 + \beta_1 \frac{1 - \beta_1^t}{1 - \beta_1}} \qquad
    A = \frac{\hat{m} U}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} U^\top$$

    $$B = \mathrm{NORM}(\mathrm{NewtonSchulz}(\hat{m} - \hat{m} U U^\top)) \qquad
    p \leftarrow (1 - \eta\lambda)\, p - \eta \rho\, \mathrm{NORM}(A + \gamma B) \qquad
    \mathrm{NORM}(X) = \sqrt{nk}\, \frac{X}{\lVert X \rVert + \epsilon}$$

    for a matrix of $n$ rows and $k$ columns, and $U$ with $r$ columns, at first the eigenvectors of
    $g^\top g$ with the largest eigenvalues. For less memory than SOAP it takes the correlations of
    the main directions into account, to train large language models. Where the gradient has a lower
    rank than $r$, the other columns of $U$ are some basis. Follows the authors' `COSMOS_optim.py`
    with Nesterov momentum, but that its products are not in bfloat16, that vectors get Adam with
    this $\beta_1$ where theirs is 0.9, and that $B$ is left out where $U$ is square; theirs gives
    rounding errors their full length there. The authors give matrices with more than 10,000 rows,
    such as embeddings, to Adam: `ld.by_parameter` does so. Tensors of more than two axes are stacks
    of matrices.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the momentum that is kept.
        beta2: share $\beta_2$ of the mean squares, and of $S$, that is kept.
        eps: $\epsilon$, added to the root and to norms.
        weight_decay: decoupled weight decay $\lambda$.
        gamma: $\gamma$, how much the other directions count.
        lr_ratio: $\rho$, the rate of matrices in parts of that of vectors.
        rank: $r$, the number of directions; if there are not more columns, all are taken.

    State variables: `m` and `v`; of matrices also `basis`, which is $U$, and `s`, which is $S$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import cosmos
        >>> weights = np.zeros((2, 2))
        >>> learner = cosmos([weights], lr=1.0, rank=1, gamma=0.5)
        >>> learner.update([np.array([[3.0, 0.0], [0.0, -0.1]])])
        True
        >>> weights.round(2) + 0.0
        array([[-0.14,  0.  ],
               [ 0.  ,  0.14]])

    References:
        Liu et al., [COSMOS: A Hybrid Adaptive Optimizer for Memory-Efficient Training of
        LLMs](https://arxiv.org/abs/2502.17410), 2025.
    """
    if ndim(p) < 2:
        rate = lr * sqrt(1 - beta2**step) / (1 - beta1**step)
        u = adam_direction(g, beta1, beta2, eps * sqrt(1 - beta2**step))
        return assign(p, (1 - lr * weight_decay) * p - rate * u)
    m = state("m")
    m_new = assign(m, beta1 * m + g)
    u, r, s_new = _leading_basis(g, p, beta2, rank)
    is_whole = rank >= shape(p)[-1]
    v = state("v", shape=("rows", "cols" if is_whole else rank))
    v_new = assign(v, beta2 * v + (1 - beta2) * r**2)
    length = sqrt(size(p, axis=-2) * size(p, axis=-1))
    ahead = let("ahead", (g + beta1 * m_new) / (1 + beta1 * (1 - beta1**step) / (1 - beta1)))
    turned = let("turned", matmul(ahead, u))
    scaled = let("scaled", turned / (sqrt(v_new) / sqrt(1 - beta2**step) + eps))
    moved = matmul(scaled, transpose(u))
    if not is_whole:
        outside = let("outside", ahead - matmul(turned, transpose(u)))
        b = let("b", orthogonalize(outside, eps_is_added=True))
        moved = moved + gamma * length * b / (matrix_norm(b, p) + eps)
    moved = let("moved", moved)
    move = lr * lr_ratio * length * moved / (matrix_norm(moved, p) + eps)
    return combine([s_new, assign(p, (1 - lr * weight_decay) * p - move)])
