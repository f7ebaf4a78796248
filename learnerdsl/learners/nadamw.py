"""NAdamW: AdamW with Nesterov's momentum, in the forms of optax and of timm."""

from learnerdsl import assign, rule, sqrt, state, step


@rule
def nadamw(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-4):
    r"""NAdamW: AdamW whose mean gradient looks one step ahead, with a constant momentum.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    $$\hat{m} = \frac{\beta_1 m}{1 - \beta_1^{t+1}} + \frac{(1 - \beta_1)\, g}{1 - \beta_1^t} \qquad
    p \leftarrow p - \eta \left( \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon} + \lambda p \right)$$

    Suits the same problems as AdamW; the newest gradient has more weight, at no cost. Follows
    `optax.nadamw`, and `optax.nadam` if `weight_decay=0`. (`nadam` has a schedule of the momentum
    instead, and `nadamw_timm` another bias correction.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $\hat{v}$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import nadamw
        >>> weights = np.ones(3, np.float32)
        >>> learner = nadamw([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.853, 0.853, 0.853], dtype=float32)

    References:
        Dozat, [Incorporating Nesterov Momentum into
        Adam](https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ), 2016.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = beta1 / (1 - beta1 ** (step + 1)) * m_new + (1 - beta1) / (1 - beta1**step) * g
    v_hat = v_new / (1 - beta2**step)
    return assign(p, p - lr * (m_hat / (sqrt(v_hat) + eps) + weight_decay * p))


@rule
def nadamw_timm(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2):
    r"""NAdamW of timm: AdamW whose mean gradient counts the newest gradient twice.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    $$\hat{m} = \frac{\beta_1 m + (1 - \beta_1)\, g}{1 - \beta_1^t} \qquad
    p \leftarrow (1 - \eta \lambda)\, p - \eta \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon}$$

    In the long run it equals `nadamw`. Here both parts of $\hat{m}$ have the same bias correction,
    so the first step is nearly twice as long as $\eta$, and some warm-up helps. Follows
    `timm.optim.NAdamW`, without its clipping and caution.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $\hat{v}$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import nadamw_timm
        >>> weights = np.ones(3, np.float32)
        >>> learner = nadamw_timm([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.809, 0.809, 0.809], dtype=float32)

    References:
        Choi et al., [On Empirical Comparisons of Optimizers for Deep
        Learning](https://arxiv.org/abs/1910.05446), table 1, 2019.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = (beta1 * m_new + (1 - beta1) * g) / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    return assign(p, (1 - lr * weight_decay) * p - lr * m_hat / (sqrt(v_hat) + eps))
