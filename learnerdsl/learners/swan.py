"""SWAN: gradients with standard rows, made orthogonal."""

from typing import Any

from learnerdsl import (
    assign,
    equal,
    let,
    matmul,
    mean,
    ndim,
    rule,
    shape,
    sqrt,
    transpose,
    where,
)
from learnerdsl.learners._muon_parts import matrix_norm
from learnerdsl.options import whole_from


def _whitened(u: Any, length: Any, p: Any, steps: int) -> Any:
    """Return nearly (u u^T)^(-1/2) u: X <- (3 I - X X^T) X / 2, from u over its length."""
    is_tall = shape(p)[-2] > shape(p)[-1]
    x = let("x_0", u * let("inverse", where(equal(length, 0), 0, 1 / length)))
    if is_tall:
        x = let("x_0_transposed", transpose(x))
    for k in range(1, steps + 1):
        gram = let(f"gram_{k}", matmul(x, transpose(x)))
        x = let(f"x_{k}", 1.5 * x - 0.5 * matmul(gram, x))
    return transpose(x) if is_tall else x


@rule
def swan(p, g, lr=1e-3, weight_decay=0.0, eps=1e-8, ns_steps=10):
    r"""SWAN: a step along the gradient, after its rows were standardised and it was whitened.

    $$\tilde{g}_{ij} = \frac{g_{ij} - \mathrm{mean}_j\, g_{ij}}
    {\sqrt{\mathrm{var}_j\, g_{ij}} + \epsilon} \qquad
    X \leftarrow \frac{\tilde{g}}{\lVert \tilde{g} \rVert}, \qquad \text{10 times:} \quad
    X \leftarrow \tfrac{1}{2} (3 I - X X^\top)\, X$$

    $$p \leftarrow (1 - \eta\lambda)\, p - \eta \frac{\lVert \tilde{g} \rVert}{\lVert X \rVert} X$$

    where $X$ comes near $(\tilde{g} \tilde{g}^\top)^{-1/2} \tilde{g}$. Needs no memory but the
    weights and what the products take, for the matrices of language models; an element moves by
    about $\eta$. Vectors move by the gradient over its root mean square; the paper gives them,
    embeddings and last layers to Adam: `ld.by_parameter` does so. Without momentum it needs large
    batches. Follows the paper but in its iteration, for which the gradient is divided by its norm,
    with the factor 1/2 by which it converges; tensors of more axes are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input) or a vector.
        g: its gradient.
        lr: learning rate $\eta$.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, added to the standard deviation of a row.
        ns_steps: number of iterations; $\sigma / \lVert \tilde{g} \rVert$ of a small singular value
            $\sigma$ grows by 1.5 in each, until it is 1.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import swan
        >>> weights = np.ones((2, 3))
        >>> learner = swan([weights], lr=0.1)
        >>> learner.update([np.array([[1.0, 2.0, 3.0], [-20.0, 20.0, 20.0]])])
        True
        >>> weights.round(3)
        array([[1.071, 1.071, 0.859],
               [1.122, 0.878, 1.   ]])

    References:
        Ma et al., [SWAN: SGD with Normalization and Whitening Enables Stateless LLM
        Training](https://arxiv.org/abs/2412.13148), 2024.
    """
    if ndim(p) < 2:
        return assign(p, (1 - lr * weight_decay) * p - lr * g / (sqrt(mean(g**2)) + eps))
    centred = let("centred", g - mean(g, axis=-1))
    standard = let("standard", centred / (sqrt(mean(centred**2, axis=-1)) + eps))
    length = let("length", matrix_norm(standard, p))
    x = _whitened(standard, length, p, whole_from(1, "ns_steps", ns_steps))
    whitened_length = matrix_norm(x, p)
    scale = let("scale", where(equal(whitened_length, 0), 0, length / whitened_length))
    return assign(p, (1 - lr * weight_decay) * p - lr * scale * x)
