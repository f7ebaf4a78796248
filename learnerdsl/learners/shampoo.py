"""Shampoo: matrices that precondition rows and columns."""

from learnerdsl import (
    assign,
    equal,
    identity,
    inverse_root,
    let,
    matmul,
    ndim,
    rule,
    sqrt,
    state,
    step,
    where,
)
from learnerdsl.learners._kronecker_parts import grams, squares
from learnerdsl.options import whole_from


@rule
def shampoo(p, g, lr=1e-3, weight_decay=0.0, eps=1e-6, every=1):
    r"""Shampoo: AdaGrad with a matrix for the rows and one for the columns.

    $$g \leftarrow g + \lambda p \qquad
    L \leftarrow L + g g^\top \qquad
    R \leftarrow R + g^\top g \qquad
    p \leftarrow p - \eta\, L^{-1/4} g\, R^{-1/4}$$

    $L$ and $R$ start from $\epsilon I$. Takes the correlations of rows and of columns into account,
    for matrices with at most some thousand rows and columns. As in AdaGrad, steps only become
    shorter. Follows algorithm 1 of the paper and `pytorch_optimizer.Shampoo` without momentum.
    Tensors of more than two axes are stacks of matrices here (in both of those each axis has a
    matrix). A vector has only the diagonal of $L$, so it is updated by
    $g / \sqrt{\epsilon + \sum g^2}$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        weight_decay: coefficient $\lambda$ of the L2 penalty.
        eps: $\epsilon$, on the diagonals at the start.
        every: number of steps from one computation of the roots to the next.

    State variables: `left` and `right`, the sums $L$ and $R$, and `left_root` and `right_root`
        where `every` is not 1; of vectors `total`, the sum of squares.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import shampoo
        >>> weights = np.eye(2)
        >>> learner = shampoo([weights], lr=0.1)
        >>> learner.update([np.array([[3.0, 0.0], [0.0, -0.1]])])
        True
        >>> weights.round(3)
        array([[0.9, 0. ],
               [0. , 1.1]])

    References:
        Gupta, Koren and Singer, [Shampoo: Preconditioned Stochastic Tensor
        Optimization](https://arxiv.org/abs/1802.09568), 2018.
    """
    g = let("decayed", g + weight_decay * p)
    if ndim(p) < 2:
        total = state("total", init=eps)
        return assign(p, p - lr * g / sqrt(assign(total, total + g**2)))
    starts = eps * identity("rows"), eps * identity("cols")
    sums, own = squares("", starts), grams(g)
    powers = [inverse_root(assign(sums[k], sums[k] + own[k]), 4) for k in range(2)]
    if whole_from(1, "every", every) != 1:
        is_due = equal((step - 1) % every, 0)
        roots = squares("_root")
        powers = [assign(roots[k], where(is_due, powers[k], roots[k])) for k in range(2)]
    return assign(p, p - lr * matmul(matmul(powers[0], g), powers[1]))
