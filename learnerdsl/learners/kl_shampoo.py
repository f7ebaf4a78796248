"""KL-Shampoo: matrices of rows and columns, each estimated after whitening by the other."""

from learnerdsl import assign, combine, equal, let, rule, sqrt, state, step, where
from learnerdsl.learners._kronecker_parts import (
    eigenvalues_of_bases,
    follow,
    into,
    kl_factors,
    out_of,
    squares,
)
from learnerdsl.learners._muon_parts import refuse_vectors


@rule
def kl_shampoo(
    p,
    g,
    lr=1e-4,
    beta1=0.9,
    beta2=0.98,
    eps=1e-8,
    weight_decay=0.01,
    initial_eigenvalue=0.1,
    max_inverse_root=4000.0,
    every=10,
):
    r"""KL-Shampoo: the gradient whitened by two matrices that agree with each other.

    $$h = Q_a^\top g\, Q_b \qquad m \leftarrow \beta_1 m + (1 - \beta_1)\, h \qquad
    u = Q_a \frac{m}{\sqrt{\lambda_a \lambda_b^\top} + \epsilon} Q_b^\top \qquad
    p \leftarrow (1 - \eta\omega) (p - \eta u)$$

    $$S_a \leftarrow \beta_2 S_a + \frac{1 - \beta_2}{d_b}\, g\, S_b^{-1} g^\top \qquad
    S_b \leftarrow \beta_2 S_b + \frac{1 - \beta_2}{d_a}\, g^\top S_a^{-1} g$$

    $$\lambda_a \leftarrow \beta_2 \lambda_a + \frac{1 - \beta_2}{d_b}
    h^2 \lambda_b^{-1} \qquad
    \lambda_b \leftarrow \beta_2 \lambda_b + \frac{1 - \beta_2}{d_a}
    \left(h^\top\right)^2 \lambda_a^{-1}$$

    $$\text{every 10 steps:} \quad Q_a \leftarrow \mathrm{qr}(S_a Q_a) \qquad
    Q_b \leftarrow \mathrm{qr}(S_b Q_b)$$

    with $S^{-1} = Q\, \mathrm{diag}(1 / \lambda)\, Q^\top$ of the last update; $m$ turns with the
    bases. $S_a$ and $S_b$ are the covariance of rows and that of columns of the normal distribution
    that is nearest to the gradients, by the divergence of Kullback and Leibler. The first update
    takes the eigenvectors of $g g^\top$ and $g^\top g$ for $Q$ and moves nothing. Needs no Adam
    beside it, so it has one state of the parameter's shape less than `soap`; the paper trains
    language models with it in fewer steps. For matrices with at most some thousand rows and
    columns; a step costs more than one of `adamw`. Follows the authors' `KLOpt`, which computes in
    bfloat16. It refuses vectors; tensors of more than two axes, which have a $Q$ for each axis
    there, are stacks of matrices.

    Args:
        p: the parameter, a matrix.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of $S$ and $\lambda$ that is kept.
        eps: $\epsilon$, added to the roots of eigenvalues.
        weight_decay: decoupled weight decay $\omega$, after the step.
        initial_eigenvalue: what all of $\lambda_a$ and $\lambda_b$ start from.
        max_inverse_root: the largest $1 / \sqrt{\lambda}$. For fewer than so many rows or columns
            it is their number, but not less than 10.
        every: number of steps from one update of $Q$ to the next.

    State variables: `m`, in the bases; `left` and `right`, the matrices $S_a$ and $S_b$;
        `left_basis` and `right_basis`, their bases $Q$; `left_eigenvalues` and `right_eigenvalues`,
        $\lambda$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import kl_shampoo
        >>> weights, g = np.eye(2), np.array([[2.0, 1.0], [0.0, 1.0]])
        >>> learner = kl_shampoo([weights], lr=0.1, beta2=0.9, weight_decay=0.0)
        >>> for _ in range(100):
        ...     before = weights.copy()
        ...     _ = learner.update([g])
        >>> step = (weights - before) / 0.1
        >>> step.round(2)  # as long in each direction
        array([[-1.34, -0.45],
               [ 0.45, -1.34]])

    References:
        Lin et al., [Understanding and Improving Shampoo and SOAP via Kullback-Leibler
        Minimization](https://arxiv.org/abs/2509.03378), 2025.
    """
    refuse_vectors("kl_shampoo", p)
    q, eigenvalues = squares("_basis"), eigenvalues_of_bases(initial_eigenvalue)
    is_first, turned = equal(step, 1), let("turned", into(q, g))
    m = state("m")
    m_now = let("m_now", where(is_first, m, beta1 * m + (1 - beta1) * turned))
    scaled = m_now / (sqrt(eigenvalues[0] * eigenvalues[1]) + eps)
    u = out_of(q, let("scaled", scaled))
    p_new = assign(p, where(is_first, p, (1 - lr * weight_decay) * (p - lr * u)))
    factors = kl_factors(p, g, q, eigenvalues, turned, beta2, max_inverse_root, every)
    m_new = assign(m, follow(q, factors[1::2], m_now, every))
    return combine([p_new, m_new, *factors])
