"""Dion: momentum of low rank made orthonormal."""

from learnerdsl import (
    assign,
    combine,
    let,
    matmul,
    norm,
    normal,
    orthonormal,
    rule,
    shape,
    size,
    sqrt,
    state,
    transpose,
)
from learnerdsl.learners._muon_parts import refuse_vectors
from learnerdsl.options import whole_from


def _directions(p, rank):
    """Return the sides of the directions: as many as `rank`, or as the shorter side is long."""
    rows, cols = shape(p)[-2:]
    if rank:
        return "cols", max(1, min(rank, rows, cols))
    return "cols", "rows" if rows < cols else "cols"


@rule
def dion(p, g, lr=0.01, mu=0.95, weight_decay=0.01, eps=1e-8, rank=0):
    r"""Dion: the momentum's main directions, each moved by the same length.

    $$B = M + g \qquad P = \mathrm{qr}(B Q) \qquad R = B^\top P \qquad
    M \leftarrow B - (1 - \mu)\, P R^\top$$

    $$Q \leftarrow \frac{R}{\lVert R \rVert_{\text{columns}} + \epsilon} \qquad
    p \leftarrow (1 - \eta\lambda)\, p - \eta \sqrt{\text{rows} / \text{cols}}\, P Q^\top$$

    One step of power iteration finds the directions, starting from those of the last update, and
    what they miss stays in the momentum. For the weight matrices of hidden layers, as `muon`; a
    smaller `rank` makes an update cheaper, and it loses little where the matrices are large. Not
    for embeddings and last layers. Follows algorithm 1 of the paper and the authors'
    `dion_simple.py`, with the defaults of their `dion.py`, but that the random start of $Q$ is that
    of another generator. Like theirs it refuses vectors; give them to another rule with
    `by_parameter`. Tensors of more than two axes are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        mu: share $\mu$ of the momentum that is kept in the directions of an update.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, added to norms.
        rank: number of directions, if that is less than those of rows and columns; 0 for as many as
            the shorter side has.

    State variables: `m`, the momentum $M$, and `q`, the directions $Q$ (columns x rank), which
        start at random.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import dion
        >>> weights = np.ones((2, 2))
        >>> learner = dion([weights], lr=0.1, weight_decay=0.0, rank=1)
        >>> for _ in range(20):
        ...     _ = learner.update([np.array([[3.0, 0.0], [0.0, -0.1]])])
        >>> weights.round(1)
        array([[-1.,  1.],
               [ 1.,  1.]])

    References:
        Ahn et al., [Dion: Distributed Orthonormalized Updates](https://arxiv.org/abs/2504.05295),
        2025.
    """
    refuse_vectors("dion", p)
    sides = _directions(p, whole_from(0, "rank", rank))
    m, q = state("m"), state("q", init=normal(shape=sides), shape=sides)
    b = let("b", m + g)
    left = let("left", orthonormal(matmul(b, q)))
    right = let("right", matmul(transpose(b), left))
    m_new = assign(m, b - (1 - mu) * matmul(left, transpose(right)))
    q_new = assign(q, right / (norm(right, axis=-2) + eps))
    scale = sqrt(size(p, axis=-2) / size(p, axis=-1))
    u = matmul(left, transpose(q_new))
    return combine([m_new, assign(p, (1 - weight_decay * lr) * p - lr * scale * u)])
