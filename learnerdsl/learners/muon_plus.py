"""Muon+: the orthogonal momentum of Muon with rows and columns of one length."""

from learnerdsl import RuleError, assign, let, orthogonalize, rule, size, sqrt, sum
from learnerdsl.learners._muon_parts import accumulated, refuse_vectors
from learnerdsl.options import whole_from

AXES = {"row": (-1,), "col": (-2,), "row_col": (-1, -2), "col_row": (-2, -1)}
"""Mode -> the axes along which lengths become 1, one after the other."""


@rule
def muon_plus(
    p,
    g,
    lr=1e-3,
    momentum=0.95,
    weight_decay=0.1,
    eps=1e-7,
    nesterov=True,
    ns_steps=5,
    ns_coefficients=(3.4445, -4.7750, 2.0315),
    ns_gram=False,
    norm_mode="col_row",
):
    r"""Muon+: the orthogonal matrix of Muon, whose columns and then rows are made of length 1.

    $$m \leftarrow \mu m + g \qquad
    X = \mathrm{orthogonalized}(g + \mu m)$$

    $$Y_{ij} = \frac{X_{ij}}{\sqrt{\sum_i X_{ij}^2 + \epsilon}} \qquad
    Z_{ij} = \frac{Y_{ij}}{\sqrt{\sum_j Y_{ij}^2 + \epsilon}} \qquad
    p \leftarrow (1 - \eta\lambda)\, p - \eta \sqrt{\frac{\text{rows}}{\text{cols}}}\, Z$$

    with $X$ as in `muon`. Five iterations leave singular values that differ, and rows or columns
    of the longer side that do; this makes them alike, at no memory. For the weight matrices of
    hidden layers of language models; not for vectors, embeddings and last layers. `normuon` does
    the like with a running mean. Follows the authors' `MuonPlus` of K1seki221/MuonPlus. Tensors of
    more than two axes are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: factor $\mu$ of the sum of gradients.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, added to sums of squares.
        nesterov: whether to look ahead, as above; otherwise $m$ is made orthogonal.
        ns_steps: number of iterations.
        ns_coefficients: of the iterations, as in `muon`.
        ns_gram: as in `muon`.
        norm_mode: "col_row" as above, "row_col" for the other order, "row" or "col" for one alone.

    State variables: `m`, the decaying sum of the gradients.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import muon_plus
        >>> weights = np.zeros((2, 2))
        >>> learner = muon_plus([weights], lr=0.1)
        >>> learner.update([np.array([[3.0, 1.0], [0.0, -0.1]])])
        True
        >>> np.linalg.norm(weights, axis=1).round(3)
        array([0.1, 0.1])

    References:
        Zhang et al., [Muon+: Towards Better Muon via One Additional Normalization
        Step](https://arxiv.org/abs/2602.21545), 2026.
    """
    refuse_vectors("muon_plus", p)
    if norm_mode not in AXES:
        msg = f"norm_mode={norm_mode!r} is not known; write one of: {', '.join(AXES)}."
        raise RuleError(msg)
    u = accumulated(g, momentum, nesterov)
    steps = whole_from(0, "ns_steps", ns_steps)
    x = let("x", orthogonalize(u, steps, ns_coefficients, gram=ns_gram))
    for number, axis in enumerate(AXES[norm_mode], 1):
        x = let(f"y_{number}", x / sqrt(sum(x**2, axis=axis) + eps))
    scale = sqrt(size(p, axis=-2) / size(p, axis=-1))
    return assign(p, p - lr * (weight_decay * p + scale * x))
