"""RACS: gradients scaled by rows and columns."""

from learnerdsl import (
    assign,
    combine,
    equal,
    let,
    maximum,
    mean,
    ndim,
    norm,
    rule,
    sqrt,
    state,
    step,
    where,
)


@rule
def racs(p, g, lr=1e-3, beta=0.9, alpha=0.05, gamma=1.01, eps=1e-8, weight_decay=0.0):
    r"""RACS: row and column scaled SGD, which keeps two axis arrays for each matrix.

    $$s_i \leftarrow \beta s_i + (1 - \beta)\, \mathrm{mean}_j\, g_{ij}^2 \qquad
    q_j \leftarrow \beta q_j + (1 - \beta)\, \mathrm{mean}_i\, g_{ij}^2 \qquad
    u_{ij} = \frac{g_{ij}}{\sqrt{s_i + \epsilon} \sqrt{q_j + \epsilon}}$$

    $$c = \frac{\gamma}{\max(\lVert u \rVert / (\theta + \epsilon), \gamma)} \qquad
    \theta \leftarrow c \lVert u \rVert \qquad
    p \leftarrow (1 - \eta \lambda) p - \eta \alpha c u$$

    with $i$ along the first axis and $j$ over all others, $q$ starting from 1, and $c = 1$ at the
    first step. A vector is a matrix of one column. For language models with little memory to spare:
    the norm of a step grows only slowly. $u$ falls where gradients grow, so it does not suit models
    whose gradients change much in size. Follows `pytorch_optimizer.RACS`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta: share $\beta$ of the mean squares that is kept.
        alpha: scale $\alpha$ of the step.
        gamma: $\gamma$, by how much the norm may grow from step to step.
        eps: $\epsilon$, added to the mean squares and to the last norm.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `s` and `q`, running means of the squared gradient by rows and by columns;
    `theta`, the norm of the last step.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import racs
        >>> weights = np.ones((2, 3), np.float32)
        >>> learner = racs([weights], lr=0.1)
        >>> learner.update([np.array([[1, 2, 3], [10, 20, 30]], np.float32)])
        True
        >>> weights.round(3)
        array([[0.997, 0.997, 0.997],
               [0.997, 0.997, 0.997]], dtype=float32)

    References:
        Gong et al., [Towards Efficient Optimizer Design for LLM via Structured Fisher
        Approximation with a Low-Rank Extension](https://arxiv.org/abs/2502.07752), 2025.
    """
    theta = state("theta", shape="tensor")
    if ndim(p) >= 2:
        inner = tuple(range(1, ndim(p)))
        s, q = state("s", shape=(0,)), state("q", init=1, shape=inner)
        squares = mean(g**2, axis=inner), mean(g**2, axis=0)
    else:
        s, q = state("s"), state("q", init=1, shape="tensor")
        squares = g**2, mean(g**2)
    s_new = assign(s, beta * s + (1 - beta) * squares[0])
    q_new = assign(q, beta * q + (1 - beta) * squares[1])
    u = let("u", g / (sqrt(s_new + eps) * sqrt(q_new + eps)))
    length = norm(u)
    growth, limit = length / (theta + eps), maximum(gamma, 0)
    c = let("c", where(equal(step, 1) | (growth <= limit), 1, limit / growth))
    moved = assign(p, p * (1 - lr * weight_decay) - lr * alpha * c * u)
    return combine([moved, assign(theta, c * length)])
