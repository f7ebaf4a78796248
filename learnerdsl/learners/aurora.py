"""Aurora: the orthogonal momentum of Muon with rows of the same length."""

from learnerdsl import assign, let, maximum, norm, orthogonalize, rule, shape, size, sum
from learnerdsl.learners._muon_parts import refuse_vectors, running_mean, step_length
from learnerdsl.options import whole_from


@rule
def aurora(
    p,
    g,
    lr=0.05,
    momentum=0.95,
    weight_decay=0.025,
    beta=0.5,
    eps=1e-7,
    nesterov=True,
    passes=2,
    ns_steps=12,
    ns_coefficients=(2.0, -1.5, 0.5),
    ns_gram=False,
):
    r"""Aurora: a nearly orthogonal matrix whose rows have the same length, too.

    $$m \leftarrow \mu m + (1 - \mu)\, g \qquad
    u = \mu m + (1 - \mu)\, g \qquad
    d_i = \lVert u_i \rVert^{-1}$$

    $$\text{twice, with } d \text{ changed between:} \quad
    X = \mathrm{orthogonalized}(d\, u) \qquad
    d_i \leftarrow d_i \left(\frac{\text{cols} / \text{rows}}{\lVert X_i \rVert^2}\right)^\beta$$

    $$p \leftarrow (1 - \eta\lambda)\, p - \eta \sqrt{\max(1, \text{rows} / \text{cols})}\, X$$

    for matrices with more rows than columns; with more columns the same is done to columns, and the
    step of a square matrix is that of `muon`. With `muon` some neurons of a tall matrix hardly move
    and die; here all move alike, and the step stays orthogonal, which that of `normuon` does not.
    For the layers of language models that widen, such as the first of an MLP, at twice the cost
    of `muon`. Not for vectors, embeddings and last layers. Follows the authors' aurora-release
    as of May 2026, with 12 iterations that converge: its first version has these coefficients.
    Tensors of more than two axes are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean gradient that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        beta: $\beta$, how far factors of rows go to what makes the rows alike.
        eps: the least norm to divide by.
        nesterov: whether $u$ looks ahead, as above; otherwise it is $m$.
        passes: how often the matrix is made orthogonal, 1 or more.
        ns_steps: number of iterations in each.
        ns_coefficients: of the iterations, as in `muon`; the default leaves 1 as it is.
        ns_gram: as in `muon`.

    State variables: `m`, the running mean of the gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import aurora
        >>> weights = np.zeros((3, 2))
        >>> learner = aurora([weights], lr=0.1, passes=8)
        >>> learner.update([np.array([[3.0, 1.0], [0.0, 0.1], [-0.2, 0.1]])])
        True
        >>> np.linalg.norm(weights, axis=1).round(3)
        array([0.1, 0.1, 0.1])

    References:
        Dewulf et al., [Aurora: A Leverage-Aware Spectral
        Optimizer](https://arxiv.org/abs/2606.27715), 2026.
    """
    refuse_vectors("aurora", p)
    steps = whole_from(0, "ns_steps", ns_steps)
    iterations = {"steps": steps, "coefficients": ns_coefficients, "gram": ns_gram}
    count = whole_from(1, "passes", passes)
    u = running_mean(g, momentum, nesterov)
    rows, cols = shape(p)[-2:]
    if rows == cols:
        x = orthogonalize(u, **iterations)
    else:
        long, short = (-2, -1) if rows > cols else (-1, -2)
        x = None
        scale = 1 / maximum(norm(u, axis=short), eps)
        for number in range(1, count + 1):
            if x is not None:
                squares = maximum(sum(x**2, axis=short), eps**2)
                share = size(p, axis=short) / size(p, axis=long)
                scale = scale * (share / squares) ** beta
            scale = let(f"scale_{number}", scale)
            x = let(f"x_{number}_orthogonal", orthogonalize(scale * u, **iterations))
    return assign(p, p - lr * (weight_decay * p + step_length(p, "original") * x))
