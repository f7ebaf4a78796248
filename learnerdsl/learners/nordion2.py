"""NorDion2: Dion2 with a second moment for each row."""

from learnerdsl import (
    assign,
    combine,
    let,
    maximum,
    mean,
    option,
    orthogonalize,
    rule,
    sqrt,
    state,
    transpose,
)
from learnerdsl.learners._muon_parts import (
    largest_lines,
    matrix_norm,
    refuse_vectors,
    spectral_length,
)
from learnerdsl.options import whole_from


@rule
def nordion2(
    p,
    g,
    lr=0.01,
    mu=0.95,
    beta2=0.95,
    weight_decay=0.01,
    eps=1e-8,
    fraction=option(0.25),
    ns_steps=5,
    ns_coefficients="polar_express_5",
    ns_gram=False,
    adjust_lr="spectral_norm",
):
    r"""NorDion2: Dion2 whose chosen rows are divided by their root mean square, as in NorMuon.

    $$M \leftarrow M + g \qquad
    S = \text{the } \lceil \alpha \cdot \text{rows} \rceil \text{ rows of } M
    \text{ with the largest } \sum_j |M_{ij}| \qquad
    X = \mathrm{orthogonalized}(M_S) \qquad
    M_S \leftarrow \mu M_S$$

    $$v_S \leftarrow \beta_2 v_S + (1 - \beta_2)\, \mathrm{mean}_j\, X_{ij}^2 \qquad
    Y = \frac{X}{\sqrt{v_S} + \epsilon} \qquad
    U = \frac{\lVert X \rVert}{\max(\lVert Y \rVert, \epsilon)}\, Y$$

    $$p \leftarrow (1 - \eta\lambda)\, p \qquad
    p_S \leftarrow p_S - \eta \sqrt{\text{rows} / \text{cols}}\, U$$

    Chosen rows move about as far as each other, and as far in all as those of `dion2`. It always
    chooses rows, which must be the outputs. The authors also call it Dion3. For the weight matrices
    of hidden layers of language models; not for vectors, embeddings and last layers, and a poor
    choice for small matrices, where products cost little. Follows the authors' `nordion2.py` on one
    device, but that its products are in bfloat16; the paper is about `dion2` alone. Tensors of more
    than two axes are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        mu: share $\mu$ of the momentum of chosen rows that is kept.
        beta2: share $\beta_2$ of the mean squares of chosen rows that is kept, `muon_beta2` in
            their code.
        weight_decay: decoupled weight decay $\lambda$, of all rows.
        eps: $\epsilon$, added to norms and roots; the least norm of $Y$.
        fraction: $\alpha$, an option: 0.25 is a quarter, and 1 chooses all rows.
        ns_steps: number of Newton-Schulz iterations.
        ns_coefficients: of the iterations, as in `muon`.
        ns_gram: as in `muon`.
        adjust_lr: as in `dion2`.

    State variables: `m`, the momentum $M$; `v`, the running mean of the mean squares of rows.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import nordion2
        >>> weights = np.zeros((4, 2))
        >>> learner = nordion2([weights], lr=0.1, fraction=0.5)
        >>> learner.update([np.array([[3.0, 0.0], [2.0, 1.0], [0.0, 0.1], [0.1, 0.0]])])
        True
        >>> weights.round(3) + 0.0
        array([[-0.131,  0.052],
               [-0.074, -0.12 ],
               [ 0.   ,  0.   ],
               [ 0.   ,  0.   ]])

    References:
        Ahn et al., [Dion2: A Simple Method to Shrink Matrix in
        Muon](https://arxiv.org/abs/2512.16928), 2025, and its [code](
        https://github.com/microsoft/dion); Li et al., [NorMuon: Making Muon more efficient and
        scalable](https://arxiv.org/abs/2510.05491), 2025.
    """
    refuse_vectors("nordion2", p)
    m, v = state("m"), state("v", shape=("rows", 1))
    b = let("b", m + g)
    taken, with_rows = largest_lines(b, p, fraction)
    kept = let("kept", taken(b))
    steps = whole_from(0, "ns_steps", ns_steps)
    own = {"eps": eps, "eps_is_added": True, "gram": ns_gram}
    x = let("x", orthogonalize(kept, steps, ns_coefficients, **own))
    squares = transpose(mean(transpose(x**2), axis=-2))
    v_kept = let("v_kept", beta2 * taken(v) + (1 - beta2) * squares)
    y = let("y", x / (sqrt(v_kept) + eps))
    rate = let("rate", lr * matrix_norm(x, p) / maximum(matrix_norm(y, p), eps))
    decayed = let("decayed", (1 - lr * weight_decay) * p)
    moved = taken(decayed) - spectral_length(p, adjust_lr) * rate * y
    m_new = assign(m, with_rows(b, mu * kept))
    v_new = assign(v, with_rows(v, v_kept))
    return combine([m_new, v_new, assign(p, with_rows(decayed, moved))])
