"""NAMO: the orthogonal momentum of Muon with a step as long as that of Adam."""

from learnerdsl import assign, let, ndim, orthogonalize, rule, sqrt, state, step
from learnerdsl.learners._muon_parts import matrix_norm, refuse_vectors, running_mean, step_length
from learnerdsl.options import whole_from


@rule
def namo(
    p,
    g,
    lr=0.01,
    momentum=0.95,
    beta2=0.99,
    weight_decay=0.1,
    eps=1e-8,
    nesterov=True,
    ns_steps=5,
    ns_coefficients=(3.4445, -4.7750, 2.0315),
    ns_gram=False,
    adjust_lr_fn="match_rms_adamw",
):
    r"""NAMO: the orthogonal matrix of Muon, times the norm of the momentum over that of gradients.

    $$m \leftarrow \mu m + (1 - \mu)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2) \lVert g \rVert^2 \qquad
    u = \mu m + (1 - \mu)\, g$$

    $$\alpha = \eta\, \frac{\sqrt{1 - \beta_2^t}}{1 - \mu^t} \cdot
    \frac{\lVert u \rVert}{\sqrt{v} + \epsilon} \qquad
    p \leftarrow (1 - \alpha\lambda)\, p
    - 0.2\, \alpha \sqrt{\max(\text{rows}, \text{cols})}\, X$$

    with $X$ the orthogonal matrix of $u$, as in `muon`. Where gradients are mostly noise the
    momentum is short beside them, and so are steps; with growing batches the rate rises by itself.
    Takes one number for a matrix more than `muon`. For the weight matrices of hidden layers, not
    for vectors, embeddings and last layers. Follows the authors' code, `NAMO` of minxin-zhg/namo,
    except that the code bounds the rates of the decay and of the step by 1. Tensors of more than
    two axes are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared norm that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, added to the root.
        nesterov: whether $u$ looks ahead, as above; otherwise it is $m$, as in the paper.
        ns_steps: number of iterations.
        ns_coefficients: of the iterations, as in `muon`.
        ns_gram: as in `muon`.
        adjust_lr_fn: "match_rms_adamw" as above, or "original" as in `muon`.

    State variables: `m`, the running mean of the gradient; `v`, that of its squared norm.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import namo
        >>> weights = np.zeros((2, 2))
        >>> learner = namo([weights], lr=0.1, momentum=0.5)
        >>> for size in (1.0, 1.0, -1.0):
        ...     before = weights[0, 0]
        ...     _ = learner.update([size * np.eye(2)])
        ...     print((before - weights[0, 0]).round(3))
        0.047
        0.036
        -0.021

    References:
        Zhang, Liu and Schaeffer, [Adam Improves Muon: Adaptive Moment Estimation with
        Orthogonalized Momentum](https://arxiv.org/abs/2602.17080), 2026.
    """
    refuse_vectors("namo", p)
    v = state("v", shape="tensor" if ndim(p) == 2 else tuple(range(ndim(p) - 2)))
    u = running_mean(g, momentum, nesterov)
    v_new = assign(v, beta2 * v + (1 - beta2) * matrix_norm(g, p) ** 2)
    steps = whole_from(0, "ns_steps", ns_steps)
    x = orthogonalize(u, steps, ns_coefficients, gram=ns_gram)
    corrected = sqrt(1 - beta2**step) / (1 - momentum**step)
    alpha = let("alpha", lr * corrected * matrix_norm(u, p) / (sqrt(v_new) + eps))
    return assign(p, p - alpha * (weight_decay * p + step_length(p, adjust_lr_fn) * x))
