"""Scion: steps of a given length in the operator norm that suits the tensor."""

from learnerdsl import assign, mean, ndim, orthogonalize, rule, size, sqrt, state
from learnerdsl.options import whole_from


@rule
def scion(
    p,
    g,
    lr=1e-3,
    momentum=0.1,
    weight_decay=0.0,
    scale=1.0,
    eps=1e-8,
    ns_steps=5,
    ns_coefficients=(3.4445, -4.7750, 2.0315),
    ns_gram=False,
):
    r"""Scion: steps of a given length in the norm that suits the tensor.

    $$m \leftarrow (1 - \alpha)\, m + \alpha g \qquad
    p \leftarrow (1 - \eta\lambda)\, p - \eta \rho\, u$$

    $$u = \begin{cases} \sqrt{\text{rows} / \text{cols}}\; \mathrm{orthogonalized}(m) &
    \text{of a matrix} \\ m / (\mathrm{rms}(m) + \epsilon) & \text{of a vector} \end{cases}$$

    with the iterations of `muon`. Steps have a known size in the operator norm, so a rate found for
    a narrow network suits a wide one. Follows `pytorch_optimizer.SCION` with the norm chosen by the
    shape, except that nothing is in bfloat16, and that tensors of more than two axes are stacks of
    matrices.

    Args:
        p: the parameter, a matrix of (output, input) or a vector.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: weight $\alpha$ of the new gradient in the mean (not that of the old).
        weight_decay: decoupled weight decay $\lambda$.
        scale: size $\rho$ of a step before the learning rate.
        eps: $\epsilon$, added to the root mean square of a vector.
        ns_steps: number of iterations.
        ns_coefficients: of the iterations, as in `muon`.
        ns_gram: as in `muon`.

    State variables: `m`, the running mean of the gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import scion
        >>> weights, bias = np.eye(2), np.ones(2)
        >>> learner = scion([weights, bias], lr=0.1)
        >>> learner.update([np.eye(2), np.ones(2)])
        True
        >>> weights.round(3), bias.round(3)
        (array([[0.889, 0.   ],
               [0.   , 0.889]]), array([0.9, 0.9]))

    References:
        Pethick et al., [Training Deep Learning Models with Norm-Constrained
        LMOs](https://arxiv.org/abs/2502.07529), 2025.
    """
    m = state("m")
    m_new = assign(m, (1 - momentum) * m + momentum * g)
    if ndim(p) < 2:
        u = m_new / (sqrt(mean(m_new**2)) + eps)
    else:
        steps = whole_from(0, "ns_steps", ns_steps)
        x = orthogonalize(m_new, steps, ns_coefficients, gram=ns_gram)
        u = sqrt(size(p, axis=-2) / size(p, axis=-1)) * x
    return assign(p, p - lr * (weight_decay * p + scale * u))
