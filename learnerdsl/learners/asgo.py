"""ASGO: Shampoo with one matrix, that of the shorter side."""

from learnerdsl import (
    assign,
    equal,
    identity,
    inverse_root,
    let,
    matmul,
    rule,
    shape,
    size,
    sqrt,
    state,
    step,
    transpose,
    where,
)
from learnerdsl.learners._muon_parts import matrix_norm, refuse_vectors
from learnerdsl.options import whole_from


@rule
def asgo(p, g, lr=0.01, beta1=0.9, beta2=0.8, eps=1e-10, weight_decay=0.1, every=1):
    r"""ASGO: the momentum, whitened by the covariance of the shorter side.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    V \leftarrow \beta_2 V + (1 - \beta_2) \begin{cases} g\, g^\top &
    \text{rows} < \text{cols} \\ g^\top g & \text{else} \end{cases}$$

    $$u = \begin{cases} (V + \epsilon I)^{-1/2}\, m & \text{rows} < \text{cols} \\
    m\, (V + \epsilon I)^{-1/2} & \text{else} \end{cases} \qquad
    p \leftarrow (1 - \eta\lambda)\, p
    - 0.2\, \eta \sqrt{\text{rows} \cdot \text{cols}}\, \frac{u}{\lVert u \rVert}$$

    Shampoo with one matrix, so with less memory and one root. Where $\beta_1 = \beta_2 = 0$ a step
    is that of `muon` with `adjust_lr_fn="match_rms_adamw"`, of an exactly orthogonal matrix; means
    over some updates know better which directions are noise. For the weight matrices of language
    models. A root comes from eigenvalues, which cost more than the iterations of `muon`, unless
    `every` is above 1. Follows the authors' code, which takes the root by iterations. The algorithm
    of their theory has sums in place of means, no momentum, and lengths as they come. Like the
    authors' code it refuses vectors; tensors of more than two axes are stacks of matrices.

    Args:
        p: the parameter, a matrix.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of $V$ that is kept.
        eps: $\epsilon$, added to the diagonal of $V$.
        weight_decay: decoupled weight decay $\lambda$.
        every: number of steps from one computation of the root to the next.

    State variables: `m` and `v`, a square matrix; `root`, its inverse root, where `every` is not 1.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import asgo
        >>> weights = np.zeros((2, 3))
        >>> learner = asgo([weights], lr=0.1)
        >>> learner.update([np.array([[3.0, 0.0, 0.0], [0.0, 0.0, -0.1]])])
        True
        >>> weights.round(3)
        array([[-0.035,  0.   ,  0.   ],
               [ 0.   ,  0.   ,  0.035]])

    References:
        An et al., [ASGO: Adaptive Structured Gradient
        Optimization](https://arxiv.org/abs/2503.20762), 2025.
    """
    refuse_vectors("asgo", p)
    rows, cols = shape(p)[-2:]
    side = "rows" if rows < cols else "cols"
    m, v = state("m"), state("v", shape=(side, side))
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    gram = matmul(g, transpose(g)) if side == "rows" else matmul(transpose(g), g)
    v_new = assign(v, beta2 * v + (1 - beta2) * gram)
    root = inverse_root(v_new + eps * identity(side), 2)
    if whole_from(1, "every", every) != 1:
        old = state("root", shape=(side, side))
        root = assign(old, where(equal((step - 1) % every, 0), root, old))
    u = let("u", matmul(root, m_new) if side == "rows" else matmul(m_new, root))
    length = let("length", matrix_norm(u, p))
    rate = 0.2 * lr * sqrt(size(p, axis=-2) * size(p, axis=-1))
    scale = where(equal(length, 0), 0, rate / length)
    return assign(p, (1 - lr * weight_decay) * p - scale * u)
