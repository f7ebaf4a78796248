"""Muon in optax's convention: bias correction, and Nesterov's Adam for all but matrices."""

from learnerdsl import assign, let, maximum, ndim, orthogonalize, rule, size, sqrt, state, step
from learnerdsl.options import whole_from


@rule
def muon_optax(
    p,
    g,
    lr=1e-3,
    momentum=0.95,
    weight_decay=0.0,
    eps=1e-8,
    beta1=0.9,
    beta2=0.999,
    adamw_weight_decay=0.0,
    nesterov=True,
    ns_steps=5,
    ns_coefficients=(3.4445, -4.7750, 2.0315),
    ns_gram=False,
):
    r"""Muon as in optax: the mean gradient is bias-corrected, and weights are (input, output).

    $$m \leftarrow \mu m + (1 - \mu)\, g \qquad
    u = \mu \frac{m}{1 - \mu^{t+1}} + (1 - \mu) \frac{g}{1 - \mu^t} \qquad
    X \leftarrow \frac{u}{\lVert u \rVert + \epsilon}$$

    $$\text{5 times:} \quad A = X X^\top \qquad
    X \leftarrow 3.4445\, X + (-4.775\, A + 2.0315\, A^2)\, X$$

    $$p \leftarrow p - \eta \left(\sqrt{\max(1, \text{cols} / \text{rows})}\, X
    + \lambda p\right)$$

    Equals `optax.contrib.muon`. Differs from `muon` in matrices that are not square, and in the
    first steps, by the weight of $g$ in $u$. Tensors that do not have two axes are updated by
    `optax.adamw` with `nesterov` (see `nadamw`) and the same learning rate.

    Args:
        p: the parameter, a matrix of (input, output).
        g: its gradient.
        lr: learning rate $\eta$ of both rules; optax has no default.
        momentum: share $\mu$ of the mean gradient that is kept.
        weight_decay: decoupled weight decay $\lambda$ of matrices.
        eps: $\epsilon$, added to the norm, and to the root in Adam.
        beta1: share of the mean gradient that Adam keeps.
        beta2: share of the mean squared gradient that Adam keeps.
        adamw_weight_decay: decoupled weight decay of tensors that are not matrices.
        nesterov: whether both rules look ahead.
        ns_steps: number of iterations, also for a list of coefficients, which in optax has one
            triple for each.
        ns_coefficients: of the iterations, as in `muon`; "you" for "dion" of optax.
        ns_gram: as in `muon`.

    State variables: `m`, the running mean of the gradient; `v`, that of its square, for tensors
    that are not matrices.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import muon_optax
        >>> weights, bias = np.eye(2), np.ones(2)
        >>> learner = muon_optax([weights, bias], lr=0.1)
        >>> learner.update([np.eye(2), np.ones(2)])
        True
        >>> weights.round(3), bias.round(3)
        (array([[0.889, 0.   ],
               [0.   , 0.889]]), array([0.853, 0.853]))

    References:
        Jordan et al., [Muon: An optimizer for hidden layers in neural
        networks](https://kellerjordan.github.io/posts/muon/), 2024.
    """
    m = state("m")
    keep, decay = (momentum, weight_decay) if ndim(p) == 2 else (beta1, adamw_weight_decay)
    m_new = assign(m, keep * m + (1 - keep) * g)
    if nesterov:
        u = keep * m_new / (1 - keep ** (step + 1)) + (1 - keep) * g / (1 - keep**step)
    else:
        u = m_new / (1 - keep**step)
    if ndim(p) == 2:
        u = let("u", u)
        steps = whole_from(0, "ns_steps", ns_steps)
        x = orthogonalize(u, steps, ns_coefficients, eps=eps, eps_is_added=True, gram=ns_gram)
        update = sqrt(maximum(1, size(p, axis=-1) / size(p, axis=-2))) * x
    else:
        v = state("v")
        v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
        update = u / (sqrt(v_new / (1 - beta2**step)) + eps)
    return assign(p, p - lr * (update + decay * p))
