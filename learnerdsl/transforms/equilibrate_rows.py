"""Gradients whose rows have one length."""

from learnerdsl import let, ndim, norm, size, sqrt, transform, where


@transform(place="before")
def equilibrate_rows(p, g):
    r"""Scale the rows of a matrix to the same length, and keep the norm of all.

    $$g_i \leftarrow \frac{\lVert g \rVert}{\sqrt{n}} \, \frac{g_i}{\lVert g_i \rVert}$$

    for the $n$ rows $g_i$. A matrix with rows of one length is nearer to an orthogonal one, so that
    fewer iterations of Newton and Schulz make it so: put it before `muon` with `momentum=0`, or
    use its formula on the momentum in a rule of your own, as MuonEq does. Rows of zeros stay.
    Tensors of more than two axes are stacks of matrices; vectors do not change.

    Args:
        p: the parameter.
        g: its gradient.

    State variables: none.

    Example:
        >>> import numpy as np
        >>> from learnerdsl import chain
        >>> from learnerdsl.learners import sgd
        >>> from learnerdsl.transforms import equilibrate_rows
        >>> weights = np.zeros((2, 2), np.float32)
        >>> learner = chain(equilibrate_rows, sgd)([weights], lr=1.0)
        >>> learner.update([np.array([[3, 4], [0, -12]], np.float32)])
        True
        >>> weights.round(3)
        array([[-5.515, -7.354],
               [ 0.   ,  9.192]], dtype=float32)

    References:
        [MuonEq: Balancing Before Orthogonalization with Lightweight
        Equilibration](https://arxiv.org/abs/2603.28254), 2026.
    """
    if ndim(p) < 2:
        return g
    total = norm(g) if ndim(p) == 2 else norm(g, axis=(-2, -1))
    row = norm(g, axis=-1)
    length = total / sqrt(size(p, axis=-2))
    return let("share", where(row > 0, length / row, 0)) * g
