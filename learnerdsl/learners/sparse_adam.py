"""SparseAdam: Adam for sparse gradients, with torch's place of epsilon."""

from learnerdsl import assign, rule, sqrt, state, step


@rule
def sparse_adam(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    r"""SparseAdam: Adam for gradients that lack most of their rows.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    p \leftarrow p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m}{\sqrt{v} + \epsilon}$$

    For embeddings, with gradients given as `RowSparse`: rows without a gradient keep their values
    and their moments, while $t$ counts all updates. (Every rule does so here; this one has the
    arithmetic of torch.) The momentum of rare rows is old. Follows `torch.optim.SparseAdam`:
    $\epsilon$ is added before the bias correction, so at the first step it counts
    $1 / \sqrt{1 - \beta_2}$ times as much as in `adam`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the uncorrected $v$.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> import learnerdsl as ld
        >>> from learnerdsl.learners import sparse_adam
        >>> table = np.ones((4, 2), np.float32)
        >>> learner = sparse_adam([table], lr=0.1)
        >>> learner.update([ld.RowSparse(np.array([1]), np.ones((1, 2), np.float32), (4, 2))])
        True
        >>> table.round(3)
        array([[1. , 1. ],
               [0.9, 0.9],
               [1. , 1. ],
               [1. , 1. ]], dtype=float32)

    References:
        Kingma and Ba, [Adam: A Method for Stochastic
        Optimization](https://arxiv.org/abs/1412.6980), end of section 2, 2015.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    correction = sqrt(1 - beta2**step) / (1 - beta1**step)
    return assign(p, p - lr * correction * m_new / (sqrt(v_new) + eps))
