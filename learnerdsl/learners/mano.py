"""Mano: momentum on the tangent of rows and columns by turns."""

from learnerdsl import assign, equal, let, maximum, norm, rule, size, sqrt, step, sum, where
from learnerdsl.learners._muon_parts import accumulated, refuse_vectors


@rule
def mano(p, g, lr=1e-3, momentum=0.95, weight_decay=0.1, eps=1e-8, nesterov=False):
    r"""Mano: momentum without its part along the weights, columns and rows of length 1 by turns.

    $$m \leftarrow \mu m + g \qquad
    \hat p = \frac{p}{\max(\lVert p \rVert_k, \epsilon)} \qquad
    v = m - \langle m, \hat p \rangle_k\, \hat p$$

    $$p \leftarrow (1 - \eta\lambda)\, p
    - 0.2\, \eta \sqrt{n_k}\, \frac{v}{\max(\lVert v \rVert_k, \epsilon)}$$

    where norms and products are those of every column at the first, third, … update and those of
    every row at the others, and $n_k$ is the number of their elements. For the weight matrices of
    hidden layers of language models, at the cost of `momentum_sgd`: no products, one state. Steps
    have the root mean square $0.2\,\eta$, so rates of AdamW do. Early progress is slower than that
    of `muon`. Not for vectors, embeddings and last layers. Follows Algorithm 1 of the paper; the
    authors' code in xie-lab-ml/Mano-Restriking-Manifold-Optimization-for-LLM-Training left out the
    division of $p$ later. Tensors of more than two axes are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: factor $\mu$ of the sum of gradients.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, the least norm to divide by.
        nesterov: whether to take $g + \mu m$, with the new $m$, in place of $m$.

    State variables: `m`, the decaying sum of the gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import mano
        >>> weights = np.array([[1.0, 1.0], [0.0, 1.0]])
        >>> learner = mano([weights], lr=0.1, weight_decay=0.0)
        >>> learner.update([np.array([[3.0, 1.0], [0.2, 0.0]])])
        True
        >>> weights.round(3)
        array([[ 1.   ,  0.98 ],
               [-0.028,  1.02 ]])

    References:
        Gu and Xie, [Mano: Restriking Manifold Optimization for LLM
        Training](https://arxiv.org/abs/2601.23000), 2026.
    """
    refuse_vectors("mano", p)
    u = accumulated(g, momentum, nesterov)
    along_columns = equal(step % 2, 1)

    def chosen(of_axis):
        return where(along_columns, of_axis(-2), of_axis(-1))

    unit = let("unit", p / maximum(chosen(lambda axis: norm(p, axis=axis)), eps))
    v = let("v", u - chosen(lambda axis: sum(u * unit, axis=axis)) * unit)
    length = maximum(chosen(lambda axis: norm(v, axis=axis)), eps)
    scale = 0.2 * sqrt(chosen(lambda axis: size(p, axis=axis)))
    return assign(p, p - lr * (weight_decay * p + scale * v / length))
