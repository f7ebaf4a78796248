"""Muown: Muon for the directions of rows and Adam for their lengths."""

from learnerdsl import (
    assign,
    combine,
    let,
    maximum,
    ndim,
    norm,
    orthogonalize,
    rule,
    sqrt,
    state,
    step,
    sum,
)
from learnerdsl.learners._muon_parts import accumulated, refuse_vectors, step_length
from learnerdsl.options import whole_from

LEAST = 1e-12
"""The least length of a row: a row of zeros has no direction to divide by."""


@rule
def muown(
    p,
    g,
    lr=3e-4,
    momentum=0.95,
    beta1=0.9,
    beta2=0.95,
    weight_decay=0.0,
    eps=1e-8,
    nesterov=True,
    ns_steps=5,
    ns_coefficients=(3.4445, -4.7750, 2.0315),
    ns_gram=False,
):
    r"""Muown: weights are lengths of rows times directions, which `adam` and `muon` move.

    $$p_i = \gamma_i \frac{w_i}{\lVert w_i \rVert} = \gamma_i d_i \qquad
    h_i = \langle g_i, d_i \rangle \qquad
    G_i = \frac{\gamma_i}{\kappa_i} (g_i - h_i d_i)$$

    $$m \leftarrow \mu m + G \qquad
    w \leftarrow \kappa\, d - 0.2\, \eta \sqrt{\max(\text{rows}, \text{cols})}\;
    \mathrm{orthogonalized}(G + \mu m) \qquad
    \kappa_i \leftarrow \lVert w_i \rVert$$

    $$a \leftarrow \beta_1 a + (1 - \beta_1)\, h \qquad
    b \leftarrow \beta_2 b + (1 - \beta_2)\, h^2 \qquad
    \gamma \leftarrow (1 - \eta\lambda) \left(\gamma -
    \frac{\eta\, a / (1 - \beta_1^t)}{\sqrt{b / (1 - \beta_2^t)} + \epsilon}\right) \qquad
    p_i \leftarrow \gamma_i \frac{w_i}{\kappa_i}$$

    with iterations as in `muon`. Steps of Muon let the rows grow longer and longer, which its decay
    has to hold back; here lengths are trained and directions turn, so the decay matters little. For
    the weight matrices of hidden layers; not for vectors, embeddings, last layers, nor weights that
    something else changes as well, such as a norm constraint. Rows of zeros stay nearly zero for an
    update. Follows kcc-lion/muown without decay; with decay, NVIDIA's Emerging-Optimizers, which
    shortens the lengths. Rows are those of the last axis.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: factor $\mu$ of the sum of gradients of directions.
        beta1: share $\beta_1$ of the mean gradient of lengths that is kept.
        beta2: share $\beta_2$ of the mean squared gradient of lengths that is kept.
        weight_decay: decoupled weight decay $\lambda$ of lengths.
        eps: $\epsilon$, added to the root.
        nesterov: whether to look ahead, as above; otherwise $m$ is made orthogonal.
        ns_steps: number of iterations.
        ns_coefficients: of the iterations, as in `muon`.
        ns_gram: as in `muon`.

    State variables: `m`, the decaying sum of gradients of $w$; `gamma` and `kappa`, $\gamma$ and
    $\kappa$, which start from the lengths of the rows; `a` and `b`, the means of `adam`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import muown
        >>> weights = np.array([[3.0, 4.0], [0.0, 2.0]])
        >>> learner = muown([weights], lr=0.1)
        >>> learner.update([np.array([[0.4, -0.3], [0.0, 1.0]])])
        True
        >>> np.linalg.norm(weights, axis=1).round(3)
        array([5. , 1.9])

    References:
        Lion et al., [Muown: Row-Norm Control for Muon
        Optimization](https://arxiv.org/abs/2605.10797), 2026.
    """
    refuse_vectors("muown", p)
    of_rows = tuple(range(ndim(p) - 1))
    length = maximum(norm(p, axis=-1), LEAST)
    gamma, kappa = (state(name, init=length, shape=of_rows) for name in ("gamma", "kappa"))
    a, b = state("a", shape=of_rows), state("b", shape=of_rows)
    direction = let("direction", p / gamma)
    h = let("h", sum(g * direction, axis=-1))
    u = accumulated(let("across", gamma / kappa * (g - h * direction)), momentum, nesterov)
    steps = whole_from(0, "ns_steps", ns_steps)
    x = orthogonalize(u, steps, ns_coefficients, gram=ns_gram)
    w = let("w", kappa * direction - lr * step_length(p, "match_rms_adamw") * x)
    kappa_new = assign(kappa, maximum(norm(w, axis=-1), LEAST))
    a_new = assign(a, beta1 * a + (1 - beta1) * h)
    b_new = assign(b, beta2 * b + (1 - beta2) * h**2)
    adam = a_new / (1 - beta1**step) / (sqrt(b_new / (1 - beta2**step)) + eps)
    gamma_new = assign(gamma, (1 - lr * weight_decay) * (gamma - lr * adam))
    return combine([assign(p, gamma_new * w / kappa_new), gamma_new])
