"""PolarGrad: the orthogonal matrix of Muon times the nuclear norm."""

from learnerdsl import assign, let, ndim, orthogonalize, rule, sum
from learnerdsl.learners._muon_parts import refuse_vectors, running_mean
from learnerdsl.options import whole_from


@rule
def polargrad(
    p,
    g,
    lr=0.02,
    momentum=0.95,
    weight_decay=0.0,
    ns_steps=12,
    ns_coefficients=(2.0, -1.5, 0.5),
    ns_gram=False,
):
    r"""PolarGrad: the orthogonal matrix of the momentum, times the sum of its singular values.

    $$m \leftarrow \mu m + (1 - \mu)\, g \qquad
    X = \mathrm{orthogonalized}(m) \qquad
    \nu = \sum_{ij} m_{ij} X_{ij} \qquad
    p \leftarrow (1 - \eta\lambda)\, p - \eta \nu X$$

    with $X$ as in `muon`, so $\nu$ is the nuclear norm of $m$. This is steepest descent in the
    spectral norm: unlike those of `muon`, steps become shorter where gradients do, and it converges
    at a constant rate. For matrix problems such as matrix sensing or completion, and for hidden
    layers with a rate that is tuned to the size of gradients; not for vectors. Follows the authors'
    `PolarGrad` of timlautk/polargrad with `polar_first=False`, with 12 iterations that converge in
    place of its decompositions. Fewer or faster iterations suit where speed is more than accuracy.
    Tensors of more than two axes are stacks of matrices.

    Args:
        p: the parameter, a matrix of (output, input).
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean gradient that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        ns_steps: number of iterations.
        ns_coefficients: of the iterations, as in `muon`; the default leaves 1 as it is.
        ns_gram: as in `muon`.

    State variables: `m`, the running mean of the gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import polargrad
        >>> weights = np.zeros((2, 2))
        >>> learner = polargrad([weights], lr=0.1, momentum=0.0)
        >>> learner.update([np.array([[3.0, 0.0], [0.0, -1.0]])])
        True
        >>> weights.round(3) + 0.0
        array([[-0.4,  0. ],
               [ 0. ,  0.4]])

    References:
        Lau, Long and Su, [PolarGrad: A Class of Matrix-Gradient Optimizers from a Unifying
        Preconditioning Perspective](https://arxiv.org/abs/2505.21799), 2025.
    """
    refuse_vectors("polargrad", p)
    m_new = running_mean(g, momentum, nesterov=False)
    steps = whole_from(0, "ns_steps", ns_steps)
    x = let("x", orthogonalize(m_new, steps, ns_coefficients, gram=ns_gram))
    nuclear_norm = sum(m_new * x, axis=None if ndim(p) == 2 else (-2, -1))
    return assign(p, p - lr * (weight_decay * p + nuclear_norm * x))
