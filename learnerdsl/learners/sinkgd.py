"""SinkGD: gradients whose rows and columns all have the same length."""

from typing import Any

from learnerdsl import assign, let, maximum, ndim, norm, rule, sign, size, sqrt
from learnerdsl.options import whole_from


def _sinkhorn(p: Any, g: Any, iterations: int, eps: Any) -> Any:
    """Return `g` times factors of rows and of columns, found by turns (SR-Sinkhorn).

    The factors are multiplied up, so that each sweep reads the gradient alone.
    """
    inner = tuple(range(1, ndim(p)))
    count = size(p, axis=0)
    x = g
    by_rows, by_cols = 1, 1
    for k in range(1, iterations + 1):
        lengths = maximum(norm(x, axis=inner), eps)
        by_rows = let(f"by_rows_{k}", by_rows * sqrt(size(p) / count) / lengths)
        x = by_rows * by_cols * g
        lengths = maximum(norm(x, axis=0), eps)
        by_cols = let(f"by_cols_{k}", by_cols * sqrt(count) / lengths)
        x = by_rows * by_cols * g
    return x


@rule
def sinkgd(p, g, lr=1e-3, weight_decay=0.0, eps=1e-8, iterations=5):
    r"""SinkGD: a step along the gradient, after rows and columns got equal lengths by turns.

    $$X \leftarrow g, \qquad \text{5 times:} \quad
    X_{i \cdot} \leftarrow \sqrt{n}\, \frac{X_{i \cdot}}{\max(\lVert X_{i \cdot} \rVert, \epsilon)}
    \quad X_{\cdot j} \leftarrow
    \sqrt{m}\, \frac{X_{\cdot j}}{\max(\lVert X_{\cdot j} \rVert, \epsilon)}$$

    $$p \leftarrow (1 - \eta\lambda)\, p - \eta X$$

    for $m$ rows, along the first axis, and $n$ columns, along all others. Needs no memory but the
    weights, for the matrices of language models; an element moves by about $\eta$. A vector is a
    row, so it takes steps of $\eta$ by the sign of its gradient. The paper gives vectors,
    embeddings and last layers to Adam, and matrices 0.05 of its rate: `ld.by_parameter` does so.
    Without momentum it needs large batches. Follows algorithms 3 and 4 of the paper.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, the least length to divide by.
        iterations: how often rows and columns are made equal, 1 or more; each is two sweeps.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import sinkgd
        >>> weights = np.ones((2, 3), np.float32)
        >>> learner = sinkgd([weights], lr=0.1)
        >>> learner.update([np.array([[1, 2, 3], [-20, 20, 20]], np.float32)])
        True
        >>> weights.round(3)
        array([[0.932, 0.896, 0.879],
               [1.124, 0.904, 0.926]], dtype=float32)

    References:
        Scetbon et al., [Gradient Multi-Normalization for Stateless and Scalable LLM
        Training](https://arxiv.org/abs/2502.06742), 2025.
    """
    if ndim(p) < 2:
        return assign(p, (1 - lr * weight_decay) * p - lr * sign(g))
    x = _sinkhorn(p, g, whole_from(1, "iterations", iterations), eps)
    return assign(p, (1 - lr * weight_decay) * p - lr * x)
