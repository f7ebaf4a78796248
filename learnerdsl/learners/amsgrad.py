"""AMSGrad: Adam whose divisor never falls."""

from learnerdsl import assign, maximum, rule, sqrt, state, step


@rule
def amsgrad(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    r"""AMSGrad: Adam divided by the largest mean square seen so far.

    $$g \leftarrow g + \lambda p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    v_{\max} \leftarrow \max(v_{\max}, v)$$

    $$\hat{m} = \frac{m}{1 - \beta_1^t} \qquad
    \hat{v} = \frac{v_{\max}}{1 - \beta_2^t} \qquad
    p \leftarrow p - \eta \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon}$$

    Converges where Adam provably does not. In practice it is often no better, and one large
    gradient slows an element for good. Follows `torch.optim.Adam(amsgrad=True)`: it takes the
    maximum of the raw $v$ and then corrects the bias. (The paper corrects nothing; `optax.amsgrad`
    takes the maximum of the corrected $v$, which gives other steps.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `m` and `v`, the running means of the gradient and of its square; `v_max`, the
    largest `v` so far.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import amsgrad
        >>> weights = np.ones(2, np.float32)
        >>> learner = amsgrad([weights], lr=0.1, beta2=0.5)
        >>> for gradient in ([1, 1], [0, 1], [0, 1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.842 0.8  ]
        [0.802 0.7  ]

    References:
        Reddi et al., [On the Convergence of Adam and
        Beyond](https://openreview.net/forum?id=ryQu7f-RZ), 2018.
    """
    m, v, v_max = state("m"), state("v"), state("v_max")
    g = g + weight_decay * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    v_max_new = assign(v_max, maximum(v_max, v_new))
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_max_new / (1 - beta2**step)
    return assign(p, p - lr * m_hat / (sqrt(v_hat) + eps))


@rule
def amsgrad_optax(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    r"""AMSGrad of optax: it takes the maximum of the bias-corrected second moment.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$\hat{m} = \frac{m}{1 - \beta_1^t} \qquad
    \hat{v}_{\max} \leftarrow \max\!\left( \hat{v}_{\max}, \frac{v}{1 - \beta_2^t} \right) \qquad
    p \leftarrow p - \eta \frac{\hat{m}}{\sqrt{\hat{v}_{\max}} + \epsilon}$$

    The first gradients count in full and for good, so one large gradient at the start slows an
    element even more than in `amsgrad`. Follows `optax.amsgrad`; no setting of `torch.optim.Adam`
    gives the same steps.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.

    State variables: `m` and `v`, the running means of the gradient and of its square; `v_hat_max`,
    the largest corrected `v` so far.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import amsgrad_optax
        >>> weights = np.ones(2, np.float32)
        >>> learner = amsgrad_optax([weights], lr=0.1, beta2=0.5)
        >>> for gradient in ([1, 1], [0, 1], [0, 1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.853 0.8  ]
        [0.823 0.7  ]

    References:
        Reddi et al., [On the Convergence of Adam and
        Beyond](https://openreview.net/forum?id=ryQu7f-RZ), 2018.
    """
    m, v, v_hat_max = state("m"), state("v"), state("v_hat_max")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**step)
    largest = assign(v_hat_max, maximum(v_hat_max, v_new / (1 - beta2**step)))
    return assign(p, p - lr * m_hat / (sqrt(largest) + eps))
