"""Dion2: the momentum's largest rows made orthogonal."""

from learnerdsl import assign, combine, let, option, orthogonalize, rule, shape, state
from learnerdsl.learners._muon_parts import largest_lines, refuse_vectors, spectral_length
from learnerdsl.options import whole_from


@rule
def dion2(
    p,
    g,
    lr=0.01,
    mu=0.95,
    weight_decay=0.01,
    eps=1e-8,
    fraction=option(0.25),
    ns_steps=5,
    ns_coefficients="polar_express_5",
    ns_gram=False,
    adjust_lr="spectral_norm",
):
    r"""Dion2: Muon for the rows of the momentum that have become the largest, others wait.

    $$M \leftarrow M + g \qquad
    S = \text{the } \lceil \alpha \cdot \text{rows} \rceil \text{ rows of } M
    \text{ with the largest } \sum_j |M_{ij}| \qquad
    U = \mathrm{orthogonalized}(M_S) \qquad
    M_S \leftarrow \mu M_S$$

    $$p \leftarrow (1 - \eta\lambda)\, p \qquad
    p_S \leftarrow p_S - \eta \sqrt{\text{rows} / \text{cols}}\, U$$

    and the same for columns where a matrix has fewer of them than rows. Rows that are not chosen
    keep their whole momentum, so what they miss is made up for later. With a quarter of the rows,
    the products of an update take a quarter of the time or less. For the weight matrices of hidden
    layers, as `muon`; a poor choice for small matrices, where products cost little, and for
    embeddings and last layers. Follows the authors' `dion2.py` on one device, but that its products
    are in bfloat16; their tests of random rows in place of the largest are left out. Like theirs
    it refuses vectors; give them to another rule with `by_parameter`. Tensors of more than two axes
    are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        mu: share $\mu$ of the momentum of chosen rows that is kept, `ef_decay` in their code.
        weight_decay: decoupled weight decay $\lambda$, of all rows.
        eps: $\epsilon$, added to the norm that $M_S$ is divided by.
        fraction: $\alpha$, an option: 0.25 is a quarter, and 1 chooses all rows.
        ns_steps: number of Newton-Schulz iterations.
        ns_coefficients: of the iterations, as in `muon`.
        ns_gram: as in `muon`.
        adjust_lr: "spectral_norm" as above; "rms_norm" for $0.2 \sqrt{\max(\text{rows},
            \text{cols})}$ in place of the root, for steps about as long as those of AdamW; or
            "none" for 1.

    State variables: `m`, the momentum $M$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import dion2
        >>> weights = np.zeros((2, 2))
        >>> learner = dion2([weights], lr=0.1, fraction=0.5)
        >>> for _ in range(3):
        ...     _ = learner.update([np.array([[3.0, 0.0], [0.0, -1.0]])])
        >>> weights.round(2) + 0.0
        array([[-0.27,  0.  ],
               [ 0.  ,  0.  ]])

    References:
        Ahn et al., [Dion2: A Simple Method to Shrink Matrix in
        Muon](https://arxiv.org/abs/2512.16928), 2025.
    """
    refuse_vectors("dion2", p)
    rows, cols = shape(p)[-2:]
    m = state("m")
    b = let("b", m + g)
    taken, with_rows = largest_lines(b, p, fraction, is_by_columns=rows > cols)
    kept = let("kept", taken(b))
    steps = whole_from(0, "ns_steps", ns_steps)
    own = {"eps": eps, "eps_is_added": True, "gram": ns_gram}
    u = orthogonalize(kept, steps, ns_coefficients, **own)
    decayed = let("decayed", (1 - lr * weight_decay) * p)
    moved = taken(decayed) - lr * spectral_length(p, adjust_lr) * u
    m_new = assign(m, with_rows(b, mu * kept))
    return combine([m_new, assign(p, with_rows(decayed, moved))])
