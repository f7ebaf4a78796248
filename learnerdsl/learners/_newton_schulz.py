"""The Newton-Schulz iteration of Muon and its relatives: a matrix made nearly orthogonal."""

from typing import Any

import sympy

from learnerdsl import let, matmul, maximum, ndim, norm, shape, transpose
from learnerdsl.options import whole_from


def orthogonalized(u: Any, p: Any, steps: int, eps: Any, is_added: bool = False) -> sympy.Expr:
    r"""Nearly $U V^\top$ of $u = U \Sigma V^\top$: all singular values between 0.7 and 1.2.

    $X \leftarrow u / \max(\lVert u \rVert, \epsilon)$, then `steps` times
    $X \leftarrow a X + (b A + c A^2) X$ with $A = X X^\top$ of the smaller side. Tensors of more
    than two axes are stacks of matrices of their last two.

    Args:
        u: the matrix.
        p: the parameter, whose shape it has.
        steps: number of iterations.
        eps: $\epsilon$, the least norm to divide by.
        is_added: whether to divide by $\lVert u \rVert + \epsilon$ instead.
    """
    is_tall = shape(p)[-2] > shape(p)[-1]
    size = norm(u) if ndim(p) == 2 else norm(u, axis=(-2, -1))
    x = let("x_0", u / (size + eps if is_added else maximum(size, eps)))
    if is_tall:
        x = let("x_0_transposed", transpose(x))
    for k in range(1, whole_from(0, "ns_steps", steps) + 1):
        gram = let(f"gram_{k}", matmul(x, transpose(x)))
        polynomial = let(f"polynomial_{k}", -4.7750 * gram + 2.0315 * matmul(gram, gram))
        x = let(f"x_{k}", 3.4445 * x + matmul(polynomial, x))
    return transpose(x) if is_tall else x
