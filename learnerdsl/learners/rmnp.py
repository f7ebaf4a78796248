"""RMNP: momentum whose rows have length 1."""

from learnerdsl import assign, maximum, norm, rule
from learnerdsl.learners._muon_parts import accumulated, refuse_vectors, step_length


@rule
def rmnp(p, g, lr=0.02, momentum=0.95, weight_decay=0.0, eps=1e-12, nesterov=True):
    r"""RMNP: row-momentum normalized preconditioning, the momentum with rows of length 1.

    $$m \leftarrow \mu m + g \qquad
    u = g + \mu m \qquad
    p_i \leftarrow (1 - \eta\lambda)\, p_i
    - \eta \sqrt{\max(1, \text{rows} / \text{cols})}\,
    \frac{u_i}{\max(\lVert u_i \rVert, \epsilon)}$$

    for every row $i$: `muon` with the diagonal of $u u^\top$ in place of the matrix, so without its
    products. In transformers that diagonal dominates, so steps are near those of `muon` at the cost
    of `momentum_sgd`. For weight matrices of hidden layers whose rows are the outputs; not for
    vectors, embeddings and last layers. Follows the authors' `RMNP` of Dominator-Index/RMNP. Rows
    are those of the last axis, also of tensors of more than two axes.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: factor $\mu$ of the sum of gradients.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, the least norm to divide by.
        nesterov: whether $u$ looks ahead, as above; otherwise it is $m$.

    State variables: `m`, the decaying sum of the gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import rmnp
        >>> weights = np.zeros((2, 2))
        >>> learner = rmnp([weights], lr=0.1)
        >>> learner.update([np.array([[3.0, 4.0], [0.0, -0.1]])])
        True
        >>> weights.round(3) + 0.0
        array([[-0.06, -0.08],
               [ 0.  ,  0.1 ]])

    References:
        Deng et al., [RMNP: Row-Momentum Normalized Preconditioning for Scalable Matrix-Based
        Optimization](https://arxiv.org/abs/2603.20527), 2026.
    """
    refuse_vectors("rmnp", p)
    u = accumulated(g, momentum, nesterov)
    y = u / maximum(norm(u, axis=-1), eps)
    return assign(p, p - lr * (weight_decay * p + step_length(p, "original") * y))
