"""Muon: momentum made orthogonal."""

from learnerdsl import (
    RuleError,
    assign,
    ndim,
    orthogonalize,
    rule,
    sqrt,
    state,
    step,
)
from learnerdsl.learners._muon_parts import running_mean, step_length
from learnerdsl.options import whole_from


def _iterations(ns_steps, ns_coefficients, ns_gram):
    """Return the arguments of `orthogonalize` that both rules share."""
    steps = whole_from(0, "ns_steps", ns_steps)
    return {"steps": steps, "coefficients": ns_coefficients, "gram": ns_gram}


def _muon_step(p, g, lr, momentum, weight_decay, eps, nesterov, adjust_lr_fn, **iterations):
    """Return the update of a matrix, which both rules share."""
    u = running_mean(g, momentum, nesterov)
    x = orthogonalize(u, eps=eps, **iterations)
    return assign(p, p - lr * (weight_decay * p + step_length(p, adjust_lr_fn) * x))


@rule
def muon(
    p,
    g,
    lr=1e-3,
    momentum=0.95,
    weight_decay=0.1,
    eps=1e-7,
    nesterov=True,
    ns_steps=5,
    ns_coefficients=(3.4445, -4.7750, 2.0315),
    ns_gram=False,
    adjust_lr_fn="original",
):
    r"""Muon: the nearest orthogonal matrix to the momentum, by five products of matrices.

    $$m \leftarrow \mu m + (1 - \mu)\, g \qquad
    u = \mu m + (1 - \mu)\, g \qquad
    X \leftarrow \frac{u}{\max(\lVert u \rVert, \epsilon)}$$

    $$\text{5 times:} \quad A = X X^\top \qquad
    X \leftarrow 3.4445\, X + (-4.775\, A + 2.0315\, A^2)\, X$$

    $$p \leftarrow (1 - \eta\lambda)\, p - \eta \sqrt{\max(1, \text{rows} / \text{cols})}\, X$$

    For the weight matrices of hidden layers, which move by about the same length in every
    direction. Not for vectors, embeddings and last layers (see `muon_with_adamw`). Follows
    `torch.optim.Muon`, which multiplies in bfloat16; here `products="bfloat16"` does so, else
    products have the parameter's dtype. Like torch it refuses vectors; tensors of more axes, which
    torch refuses, are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean gradient that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, the least norm to divide by.
        nesterov: whether $u$ looks ahead, as above; otherwise it is $m$.
        ns_steps: number of iterations.
        ns_coefficients: $(a, b, c)$ of $a X + (b A + c A^2) X$, a list of them, one for each
            iteration, or a name such as "polar_express"; see `learnerdsl.orthogonalize`.
        ns_gram: whether to iterate on Gram matrices where that is faster: long matrices, not with
            products in bfloat16.
        adjust_lr_fn: "original" as above, or "match_rms_adamw" for steps about as long as those of
            AdamW: $0.2 \sqrt{\max(\text{rows}, \text{cols})}$ in place of the root.

    State variables: `m`, the running mean of the gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import muon
        >>> weights = np.ones((2, 2))
        >>> learner = muon([weights], lr=0.1)
        >>> learner.update([np.array([[3.0, 0.0], [0.0, -0.1]])])
        True
        >>> weights.round(2)
        array([[0.92, 0.99],
               [0.99, 1.1 ]])

    References:
        Jordan et al., [Muon: An optimizer for hidden layers in neural
        networks](https://kellerjordan.github.io/posts/muon/), 2024; Liu et al., [Muon is Scalable
        for LLM Training](https://arxiv.org/abs/2502.16982), 2025.
    """
    if ndim(p) < 2:
        msg = f"muon is for matrices, not for ndim {ndim(p)}; use muon_with_adamw."
        raise RuleError(msg)
    own = _iterations(ns_steps, ns_coefficients, ns_gram)
    return _muon_step(p, g, lr, momentum, weight_decay, eps, nesterov, adjust_lr_fn, **own)


@rule
def muon_with_adamw(
    p,
    g,
    lr=1e-3,
    momentum=0.95,
    weight_decay=0.1,
    eps=1e-7,
    adamw_lr=3e-4,
    beta1=0.9,
    beta2=0.95,
    adamw_eps=1e-10,
    adamw_weight_decay=0.0,
    nesterov=True,
    ns_steps=5,
    ns_coefficients=(3.4445, -4.7750, 2.0315),
    ns_gram=False,
    adjust_lr_fn="original",
):
    r"""Muon for matrices, AdamW for everything else.

    $$p \leftarrow \begin{cases} \mathrm{Muon}_{\eta, \mu, \lambda, \epsilon}(p, g) &
    \text{if } p \text{ has two axes} \\
    \mathrm{AdamW}_{\eta', \beta_1, \beta_2, \epsilon', \lambda'}(p, g) & \text{else} \end{cases}$$

    One learner for a whole network. Embeddings and last layers are matrices, too, but Muon does not
    suit them: give them a separate learner. The two rules are `muon` and `adamw`, as in
    `torch.optim`; the defaults of AdamW are those of Jordan's `MuonWithAuxAdam`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate of matrices.
        momentum: share of the mean gradient of a matrix that is kept.
        weight_decay: decoupled weight decay of matrices.
        eps: the least norm to divide by.
        adamw_lr: learning rate of the others.
        beta1: share of their mean gradient that is kept.
        beta2: share of their mean squared gradient that is kept.
        adamw_eps: added to the root.
        adamw_weight_decay: decoupled weight decay of the others.
        nesterov: as in `muon`.
        ns_steps: as in `muon`.
        ns_coefficients: as in `muon`.
        ns_gram: as in `muon`.
        adjust_lr_fn: as in `muon`.

    State variables: `m`, the running mean of the gradient; `v`, that of its square, for tensors
    that are not matrices.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import muon_with_adamw
        >>> weights, bias = np.eye(2), np.ones(2)
        >>> learner = muon_with_adamw([weights, bias], lr=0.1, adamw_lr=0.1)
        >>> learner.update([np.eye(2), np.ones(2)])
        True
        >>> weights.round(3), bias.round(3)
        (array([[0.879, 0.   ],
               [0.   , 0.879]]), array([0.9, 0.9]))

    References:
        Jordan et al., [Muon](https://github.com/KellerJordan/Muon), 2024.
    """
    if ndim(p) == 2:
        own = _iterations(ns_steps, ns_coefficients, ns_gram)
        return _muon_step(p, g, lr, momentum, weight_decay, eps, nesterov, adjust_lr_fn, **own)
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat, v_hat = m_new / (1 - beta1**step), v_new / (1 - beta2**step)
    return assign(p, p - adamw_lr * (m_hat / (sqrt(v_hat) + adamw_eps) + adamw_weight_decay * p))
