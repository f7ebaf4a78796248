"""AdaHessian: Adam with the diagonal of the Hessian in place of the gradient's square."""

from learnerdsl import assign, extra, rule, sqrt, state, step


@rule
def adahessian(p, g, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    r"""AdaHessian: Adam with the diagonal of the Hessian matrix in place of the gradient's square.

    $$p \leftarrow (1 - \eta \lambda)\, p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, \hat{h}^2$$

    $$p \leftarrow p - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$

    with the estimate $\hat{h}$ of the Hessian matrix's diagonal that
    `learner.update(grads, hessian_diag=...)` is given, for instance $z \odot H z$ with random signs
    $z$. If the matrix is diagonal, steps are those of Newton's method. Each step needs an estimate,
    which about doubles the cost of a gradient. Follows `timm.optim.Adahessian` with its
    `hessian_power` of 1. The paper averages $\lvert \hat{h} \rvert$ over the kernel of a
    convolution, which is left to the caller.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared curvature that is kept.
        eps: $\epsilon$, added to the root of the corrected $v$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the running mean of the gradient, and `v`, that of the squared curvature.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adahessian
        >>> weights = np.ones(3, np.float32)
        >>> learner = adahessian([weights])
        >>> diagonal = np.array([4, 2, -1], np.float32)
        >>> learner.update([np.ones(3, np.float32)], hessian_diag=[diagonal])
        True
        >>> weights.round(3)
        array([0.975, 0.95 , 0.9  ], dtype=float32)

    References:
        Yao et al., [ADAHESSIAN: An Adaptive Second Order Optimizer for Machine
        Learning](https://arxiv.org/abs/2006.00719), 2021.
    """
    m, v = state("m"), state("v")
    h_hat = extra("hessian_diag")
    m_hat = assign(m, beta1 * m + (1 - beta1) * g) / (1 - beta1**step)
    v_hat = assign(v, beta2 * v + (1 - beta2) * h_hat**2) / (1 - beta2**step)
    return assign(p, (1 - lr * weight_decay) * p - lr * m_hat / (sqrt(v_hat) + eps))
