"""The part of the gradient that is orthogonal to the weights."""

from learnerdsl import let, norm, sum, transform, where


@transform(place="before")
def orthograd(p, g):
    r"""Remove the part along the weights from the gradient of each tensor, and keep its norm.

    $$o = g - \frac{\langle p, g \rangle}{\lVert p \rVert^2 + \epsilon}\, p \qquad
    g \leftarrow o\, \frac{\lVert g \rVert}{\lVert o \rVert + \epsilon}$$

    with $\epsilon = 10^{-30}$. Weights no longer grow merely to scale the outputs, which makes the
    loss smaller. Where $o$ is only rounding error (below $10^{-6} \lVert g \rVert$, as for tensors
    of one element), $g$ becomes 0.

    Args:
        p: the parameter.
        g: its gradient.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import orthograd
        >>> weights = np.ones(3, np.float32)
        >>> learner = chain(orthograd, sgd)([weights], lr=0.1)
        >>> learner.update([np.array([3, 0, -4], np.float32)])
        True
        >>> weights.round(3)
        array([0.664, 0.966, 1.369], dtype=float32)

    References:
        Prieto et al., [Grokking at the Edge of Numerical
        Stability](https://arxiv.org/abs/2501.04697), 2025.
    """
    orthogonal = let("orthogonal", g - p * sum(p * g) / (sum(p**2) + 1e-30))
    g_norm, o_norm = norm(g), norm(orthogonal)
    return orthogonal * where(o_norm <= 1e-6 * g_norm, 0, g_norm / (o_norm + 1e-30))
