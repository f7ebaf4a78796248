"""The Newton-Schulz iteration of Muon and its relatives: a matrix made nearly orthogonal."""

from typing import Any

import sympy

from learnerdsl import let, matmul, ndim, norm, shape, transpose
from learnerdsl.options import whole_from


def norm_of_matrix(u: Any, p: Any) -> sympy.Expr:
    """Return the Frobenius norm of `u`, for each matrix of the last two axes of `p`."""
    return norm(u) if ndim(p) == 2 else norm(u, axis=(-2, -1))


def orthogonalized(u: Any, divisor: Any, p: Any, steps: int) -> sympy.Expr:
    r"""Return nearly $U V^\top$ of $u = U \Sigma V^\top$: singular values between 0.7 and 1.2.

    $X \leftarrow u / d$, then `steps` times $X \leftarrow a X + (b A + c A^2) X$ with
    $A = X X^\top$ of the smaller side. Tensors of more than two axes are stacks of matrices, which
    the last two axes hold.

    Args:
        u: the matrix.
        divisor: $d$, at least about the norm of $u$, so that no singular value of $X$ is above 1.
        p: the parameter, which has the shape of `u`.
        steps: number of iterations.
    """
    is_tall = shape(p)[-2] > shape(p)[-1]
    x = let("x_0", u / divisor)
    if is_tall:
        x = let("x_0_transposed", transpose(x))
    for k in range(1, whole_from(0, "ns_steps", steps) + 1):
        gram = let(f"gram_{k}", matmul(x, transpose(x)))
        polynomial = let(f"polynomial_{k}", -4.7750 * gram + 2.0315 * matmul(gram, gram))
        x = let(f"x_{k}", 3.4445 * x + matmul(polynomial, x))
    return transpose(x) if is_tall else x
