"""NorMuon: the orthogonal momentum of Muon with a second moment for each row."""

from learnerdsl import assign, let, mean, ndim, orthogonalize, rule, size, sqrt, state
from learnerdsl.learners._muon_parts import matrix_norm, refuse_vectors, running_mean, step_length
from learnerdsl.options import whole_from


@rule
def normuon(
    p,
    g,
    lr=1e-3,
    momentum=0.95,
    beta2=0.95,
    weight_decay=0.1,
    eps=1e-8,
    nesterov=False,
    ns_steps=5,
    ns_coefficients=(3.4445, -4.7750, 2.0315),
    ns_gram=False,
    adjust_lr_fn="match_rms_adamw",
):
    r"""NorMuon: the orthogonal matrix of Muon, whose rows are divided by their root mean square.

    $$m \leftarrow \mu m + (1 - \mu)\, g \qquad
    X = \mathrm{orthogonalized}(m) \qquad
    v_i \leftarrow \beta_2 v_i + (1 - \beta_2)\, \mathrm{mean}_j\, X_{ij}^2 \qquad
    u_{ij} = \frac{X_{ij}}{\sqrt{v_i} + \epsilon}$$

    $$p \leftarrow (1 - \eta\lambda)\, p
    - 0.2\, \eta \sqrt{\text{rows} \cdot \text{cols}}\, \frac{u}{\lVert u \rVert + \epsilon}$$

    with $X$ as in `muon`. Rows of an orthogonal matrix have different lengths where it has more
    rows than columns; here every neuron moves about as far as the others, for one number a row.
    For the weight matrices of hidden layers of language models; rows must be the outputs. Not for
    vectors, embeddings and last layers. Follows Algorithm 1 of the paper, as
    `pytorch_optimizer.NorMuon` does with `update_scale="match_rms"`; the authors' code has
    `nesterov=True` and `adjust_lr_fn="original"`. Tensors of more than two axes are stacks of
    matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squares of rows that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, added to roots and to norms.
        nesterov: whether to make $\mu m + (1 - \mu)\, g$ orthogonal, with the new $m$.
        ns_steps: number of iterations.
        ns_coefficients: of the iterations, as in `muon`.
        ns_gram: as in `muon`.
        adjust_lr_fn: "match_rms_adamw" as above, for steps about as long as those of AdamW, or
            "original" for $\lVert X \rVert \sqrt{\max(1, \text{rows} / \text{cols})}$ in place of
            the factors of $\eta$, which are as long as those of `muon`.

    State variables: `m`, the running mean of the gradient; `v`, that of the mean squares of rows.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import normuon
        >>> weights = np.ones((3, 2))
        >>> learner = normuon([weights], lr=0.1, weight_decay=0.0)
        >>> learner.update([np.array([[3.0, 0.0], [0.0, 0.1], [0.1, 0.0]])])
        True
        >>> weights.round(3)
        array([[0.972, 1.   ],
               [1.   , 0.972],
               [0.972, 1.   ]])

    References:
        Li et al., [NorMuon: Making Muon more efficient and
        scalable](https://arxiv.org/abs/2510.05491), 2025.
    """
    refuse_vectors("normuon", p)
    v = state("v", shape=tuple(range(ndim(p) - 1)))
    steps = whole_from(0, "ns_steps", ns_steps)
    u = running_mean(g, momentum, nesterov)
    x = let("x", orthogonalize(u, steps, ns_coefficients, gram=ns_gram))
    v_new = assign(v, beta2 * v + (1 - beta2) * mean(x**2, axis=-1))
    u = let("y", x / (sqrt(v_new) + eps))
    if adjust_lr_fn == "match_rms_adamw":
        length = 0.2 * sqrt(size(p, axis=-2) * size(p, axis=-1))
    else:
        length = step_length(p, adjust_lr_fn) * matrix_norm(x, p)
    rate = let("rate", lr * length / (matrix_norm(u, p) + eps))
    return assign(p, p - lr * weight_decay * p - rate * u)
