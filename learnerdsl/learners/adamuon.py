"""AdaMuon: the orthogonal momentum of Muon with a second moment."""

from learnerdsl import assign, let, ndim, norm, orthogonalize, rule, size, sqrt, state, step
from learnerdsl.options import whole_from


@rule
def adamuon(
    p,
    g,
    lr=0.02,
    momentum=0.95,
    weight_decay=0.0,
    eps=1e-7,
    beta1=0.9,
    beta2=0.95,
    ns_steps=5,
    ns_coefficients=(3.4445, -4.7750, 2.0315),
    ns_gram=False,
):
    r"""AdaMuon: the orthogonal matrix of Muon, divided by its running root mean square.

    $$m \leftarrow \mu m + (1 - \mu)\, g \qquad
    X = \mathrm{orthogonalized}(m) \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, X^2 \qquad
    u = \frac{X}{\sqrt{v} + \epsilon}$$

    $$p \leftarrow (1 - \eta\lambda)\, p
    - 0.2\, \eta \sqrt{\text{rows} \cdot \text{cols}}\, \frac{u}{\lVert u \rVert + \epsilon}$$

    with $X$ as in `muon`. A step has the root mean square $0.2\,\eta$, about that of AdamW, so the
    rates of AdamW can be kept. Follows `timm.optim.Muon` with `algo="adamuon"`, but with the
    coefficients of `muon` and in the parameter's dtype. Tensors that do not have two axes are
    updated by `adamw` with $\beta_1$, $\beta_2$ and the same rate, decay and $\epsilon$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean gradient of a matrix that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, the least norm to divide by, and added to roots and to norms.
        beta1: share of the mean gradient that AdamW keeps.
        beta2: share $\beta_2$ of the mean squares that are kept.
        ns_steps: number of iterations.
        ns_coefficients: of the iterations, as in `muon`.
        ns_gram: as in `muon`.

    State variables: `m`, the running mean of the gradient, and `v`, that of squares.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adamuon
        >>> weights, bias = np.eye(2), np.ones(2)
        >>> learner = adamuon([weights, bias], lr=0.1)
        >>> learner.update([np.eye(2), np.ones(2)])
        True
        >>> weights.round(3), bias.round(3)
        (array([[0.972, 0.   ],
               [0.   , 0.972]]), array([0.9, 0.9]))

    References:
        Si, Zhang and Shen, [AdaMuon: Adaptive Muon
        Optimizer](https://arxiv.org/abs/2507.11005), 2025.
    """
    m, v = state("m"), state("v")
    if ndim(p) != 2:
        m_new = assign(m, beta1 * m + (1 - beta1) * g)
        v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
        m_hat, v_hat = m_new / (1 - beta1**step), v_new / (1 - beta2**step)
        return assign(p, p - lr * (m_hat / (sqrt(v_hat) + eps) + weight_decay * p))
    m_new = assign(m, momentum * m + (1 - momentum) * g)
    steps = whole_from(0, "ns_steps", ns_steps)
    x = let("x", orthogonalize(m_new, steps, ns_coefficients, eps=eps, gram=ns_gram))
    v_new = assign(v, beta2 * v + (1 - beta2) * x**2)
    u = let("u", x / (sqrt(v_new) + eps))
    rate = 0.2 * lr * sqrt(size(p)) / (norm(u) + eps)
    return assign(p, p - lr * weight_decay * p - rate * u)
