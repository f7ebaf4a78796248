"""KL-SOAP: Adam in the eigenbasis of the matrices of KL-Shampoo."""

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
def kl_soap(
    p,
    g,
    lr=1e-4,
    beta1=0.9,
    beta2=0.98,
    shampoo_beta=0.98,
    eps=1e-8,
    weight_decay=0.01,
    initial_eigenvalue=0.1,
    max_inverse_root=4000.0,
    every=10,
):
    r"""KL-SOAP: SOAP whose two matrices are each whitened by the other.

    $$h = Q_a^\top g\, Q_b \qquad m \leftarrow \beta_1 m + (1 - \beta_1)\, h \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, h^2 \qquad
    u = Q_a \frac{m}{\sqrt{v} + \epsilon} Q_b^\top$$

    $$p \leftarrow (1 - \eta\omega) (p - \eta u) \qquad
    S_a \leftarrow \beta S_a + \frac{1 - \beta}{d_b}\, g\, S_b^{-1} g^\top \qquad
    S_b \leftarrow \beta S_b + \frac{1 - \beta}{d_a}\, g^\top S_a^{-1} g$$

    $$\text{every 10 steps:} \quad Q_a \leftarrow \mathrm{qr}(S_a Q_a) \qquad
    Q_b \leftarrow \mathrm{qr}(S_b Q_b)$$

    with $S^{-1} = Q\, \mathrm{diag}(1 / \lambda)\, Q^\top$ and the eigenvalues $\lambda$ of
    `kl_shampoo`. $m$ turns from the old bases into the new ones. The first update takes the
    eigenvectors of $g g^\top$ and $g^\top g$ for $Q$ and moves nothing. For matrices with at most
    some thousand rows and columns. In the paper it takes fewer steps than `soap`, and `kl_shampoo`,
    with less memory, fewer still. Follows the authors' `KLOpt`, which computes in bfloat16 and
    corrects no means. It refuses vectors; tensors of more than two axes, which have a $Q$ for each
    axis there, are stacks of matrices.

    Args:
        p: the parameter, a matrix.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squares that are kept.
        shampoo_beta: share $\beta$ of $S$ and $\lambda$ that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\omega$, after the step.
        initial_eigenvalue: what all of $\lambda_a$ and $\lambda_b$ start from.
        max_inverse_root: the largest $1 / \sqrt{\lambda}$, as in `kl_shampoo`.
        every: number of steps from one update of $Q$ to the next.

    State variables: `m` and `v`, in the bases; `left` and `right`, the matrices $S_a$ and $S_b$;
        `left_basis` and `right_basis`, their bases $Q$; `left_eigenvalues` and `right_eigenvalues`,
        $\lambda$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import kl_soap
        >>> weights = np.eye(2)
        >>> learner = kl_soap([weights], lr=0.1, beta2=0.9, weight_decay=0.0)
        >>> for _ in range(2):
        ...     _ = learner.update([np.array([[2.0, 1.0], [0.0, 1.0]])])
        >>> weights.round(3)
        array([[ 0.97, -0.01],
               [ 0.01,  0.97]])

    References:
        Lin et al., [Understanding and Improving Shampoo and SOAP via Kullback-Leibler
        Minimization](https://arxiv.org/abs/2509.03378), 2025.
    """
    refuse_vectors("kl_soap", p)
    q, eigenvalues = squares("_basis"), eigenvalues_of_bases(initial_eigenvalue)
    is_first, turned = equal(step, 1), let("turned", into(q, g))
    m, v = state("m"), state("v")
    m_now = let("m_now", where(is_first, m, beta1 * m + (1 - beta1) * turned))
    v_new = assign(v, where(is_first, v, beta2 * v + (1 - beta2) * turned**2))
    u = out_of(q, let("scaled", m_now / (sqrt(v_new) + eps)))
    p_new = assign(p, where(is_first, p, (1 - lr * weight_decay) * (p - lr * u)))
    factors = kl_factors(p, g, q, eigenvalues, turned, shampoo_beta, max_inverse_root, every)
    m_new = assign(m, follow(q, factors[1::2], m_now, every))
    return combine([p_new, m_new, *factors])
