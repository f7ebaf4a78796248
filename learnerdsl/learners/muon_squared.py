"""Muon squared: the second moment of Adam before the orthogonal matrix of Muon."""

from learnerdsl import assign, orthogonalize, rule, sqrt, state
from learnerdsl.learners._muon_parts import refuse_vectors, running_mean, step_length
from learnerdsl.options import whole_from


@rule
def muon_squared(
    p,
    g,
    lr=0.02,
    momentum=0.95,
    beta2=0.95,
    weight_decay=0.0,
    eps=1e-10,
    nesterov=True,
    ns_steps=5,
    ns_coefficients=(3.4445, -4.7750, 2.0315),
    ns_gram=False,
    adjust_lr_fn="original",
):
    r"""Muon²: the momentum is divided by the root mean square of gradients, then made orthogonal.

    $$m \leftarrow \mu m + (1 - \mu)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    u = \mu m + (1 - \mu)\, g$$

    $$X = \mathrm{orthogonalized}\left(\frac{u}{\sqrt{v} + \epsilon}\right) \qquad
    p \leftarrow (1 - \eta\lambda)\, p - \eta \sqrt{\max(1, \text{rows} / \text{cols})}\, X$$

    with the iterations of `muon`. The quotient has singular values that are nearer to each other
    than those of the momentum, so fewer iterations do: the paper makes 3. For the weight matrices
    of hidden layers; its states take twice the memory of those of `muon`. Not for vectors,
    embeddings and last layers. Follows the record of 2026-05-01 in the third track of
    modded-nanogpt, which iterates longer; the paper adds gradients up in $m$ instead of averaging,
    which the iterations do not see. Tensors of more than two axes are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, added to the root.
        nesterov: whether $u$ looks ahead, as above; otherwise it is $m$.
        ns_steps: number of iterations.
        ns_coefficients: of the iterations, as in `muon`.
        ns_gram: as in `muon`.
        adjust_lr_fn: "original" as above, or "match_rms_adamw" as in `muon`.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import muon_squared
        >>> weights = np.ones((2, 2))
        >>> learner = muon_squared([weights], lr=0.1)
        >>> learner.update([np.array([[3.0, 0.0], [0.0, -0.1]])])
        True
        >>> weights.round(3)
        array([[0.889, 1.   ],
               [1.   , 1.111]])

    References:
        Liu et al., [Muon²: Boosting Muon via Adaptive Second-Moment
        Preconditioning](https://arxiv.org/abs/2604.09967), 2026.
    """
    refuse_vectors("muon_squared", p)
    v = state("v")
    u = running_mean(g, momentum, nesterov)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    steps = whole_from(0, "ns_steps", ns_steps)
    x = orthogonalize(u / (sqrt(v_new) + eps), steps, ns_coefficients, gram=ns_gram)
    return assign(p, p - lr * (weight_decay * p + step_length(p, adjust_lr_fn) * x))
