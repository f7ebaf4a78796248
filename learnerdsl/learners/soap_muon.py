"""SOAP-Muon: Muon of a momentum that SOAP has scaled."""

from learnerdsl import (
    assign,
    combine,
    equal,
    let,
    maximum,
    orthogonalize,
    rule,
    sqrt,
    state,
    step,
    where,
)
from learnerdsl.learners._kronecker_parts import (
    grams,
    into,
    out_of,
    running_means,
    squares,
    turned_bases,
)
from learnerdsl.learners._muon_parts import refuse_vectors, running_mean, step_length
from learnerdsl.options import whole_from


@rule
def soap_muon(
    p,
    g,
    lr=0.02,
    momentum=0.95,
    beta2=0.9,
    shampoo_beta=0.9,
    eps=1e-8,
    weight_decay=0.0,
    every=1,
    nesterov=True,
    ns_steps=12,
    ns_coefficients=(2.0, -1.5, 0.5),
    ns_gram=False,
    adjust_lr_fn="original",
):
    r"""SOAP-Muon: the momentum, scaled in the eigenbasis of the gradient, made orthogonal.

    $$m \leftarrow \mu m + (1 - \mu)\, g \qquad
    u = \mu m + (1 - \mu)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2) (Q_L^\top u\, Q_R)^2$$

    $$X = \mathrm{orthogonalized}\left(
    Q_L \frac{Q_L^\top u\, Q_R}{\max(\sqrt{v}, \epsilon)} Q_R^\top\right) \qquad
    p \leftarrow (1 - \eta\lambda)\, p - \eta \sqrt{\max(1, \text{rows} / \text{cols})}\, X$$

    $$L \leftarrow \beta L + (1 - \beta)\, g g^\top \qquad
    R \leftarrow \beta R + (1 - \beta)\, g^\top g \qquad
    Q_L \leftarrow \mathrm{qr}(L\, Q_L P_L) \qquad Q_R \leftarrow \mathrm{qr}(R\, Q_R P_R)$$

    with $v$ and the order $P$ of `soap`, but that $v$ is of the momentum. The first update is one
    of Muon and takes the eigenvectors of $L$ and $R$ for $Q$. For hidden matrices of language
    models: among the rules with the fewest steps in the third track of modded-nanogpt. A step costs
    some times that of `muon`; `every=10` saves most of it. Follows the script of result 44 there,
    without its gate and what it does to the length of weights (see the transforms `radial_brake`,
    `update_floor` and `radius_pin`). It refuses vectors; tensors of more axes are stacks.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squares that are kept.
        shampoo_beta: share $\beta$ of $L$ and $R$ that is kept.
        eps: $\epsilon$, the least root to divide by.
        weight_decay: decoupled weight decay $\lambda$.
        every: number of steps from one update of $Q$ to the next.
        nesterov: whether $u$ looks ahead, as above; otherwise it is $m$.
        ns_steps: number of iterations of Newton and Schulz.
        ns_coefficients: of the iterations, as in `muon`; these end at an orthogonal matrix.
        ns_gram: as in `muon`.
        adjust_lr_fn: "original" as above, or "match_rms_adamw", as in `muon`.

    State variables: `m` and `v`; `left` and `right`, the matrices $L$ and $R$; `left_basis` and
        `right_basis`, their bases $Q$.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import soap_muon
        >>> weights = np.zeros((2, 2))
        >>> learner = soap_muon([weights], lr=0.1)
        >>> for g in ([[3.0, 1.0], [0.0, 0.1]], [[2.0, 0.0], [1.0, 0.2]]):
        ...     _ = learner.update([np.array(g)])
        >>> weights.round(2)
        array([[-0.16,  0.  ],
               [-0.03, -0.06]])

    References:
        Vyas et al., [Improving SOAP using Iterative Whitening and
        Muon](https://nikhilvyas.github.io/SOAP_Muon.pdf), 2025; [modded-nanogpt, track
        3](https://github.com/KellerJordan/modded-nanogpt/tree/master/records/track_3_optimization),
        2026.
    """
    refuse_vectors("soap_muon", p)
    is_first = equal(step, 1)
    u = running_mean(g, momentum, nesterov)
    v, q = state("v"), squares("_basis")
    turned = let("turned", into(q, u))
    v_now = let("v_now", where(is_first, v, beta2 * v + (1 - beta2) * turned**2))
    scaled = let("scaled", turned / maximum(sqrt(v_now), eps))
    direction = let("direction", where(is_first, u, out_of(q, scaled)))
    steps = whole_from(0, "ns_steps", ns_steps)
    x = orthogonalize(direction, steps, ns_coefficients, gram=ns_gram)
    p_new = assign(p, p - lr * (weight_decay * p + step_length(p, adjust_lr_fn) * x))
    matrices_new = running_means(squares(), shampoo_beta, grams(g))
    return combine([p_new, *turned_bases(matrices_new, q, v, v_now, every)])
