"""Adam and AdamW: a rate for each element from running means of the gradient and its square."""

from learnerdsl import assign, rule, sqrt, state, step


@rule
def adam(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    r"""Adam: momentum divided by a running root mean square, both with bias correction.

    $$g \leftarrow g + \lambda p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$\hat{m} = \frac{m}{1 - \beta_1^t} \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t} \qquad
    p \leftarrow p - \eta \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon}$$

    Works with little tuning on most problems. Weight decay goes through the division and so acts
    weakly where gradients are large (see `adamw`). Follows the paper and `torch.optim.Adam` (equal
    to `optax.adam`): $\epsilon$ is added to the root of the corrected $\hat{v}$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adam
        >>> weights = np.ones(3, np.float32)
        >>> learner = adam([weights], lr=0.1)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.9, 0.9, 1.1], dtype=float32)

    References:
        Kingma and Ba, [Adam: A Method for Stochastic
        Optimization](https://arxiv.org/abs/1412.6980), 2015.
    """
    m, v = state("m"), state("v")
    g = g + weight_decay * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    return assign(p, p - lr * m_hat / (sqrt(v_hat) + eps))


@rule
def adamw(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-2):
    r"""AdamW: Adam with weight decay outside the division.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$\hat{m} = \frac{m}{1 - \beta_1^t} \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t} \qquad
    p \leftarrow p - \eta \left( \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon} + \lambda p \right)$$

    The usual choice for transformers. The decay shrinks all weights alike; it is best to exempt
    biases and gains by a group with a decay of 0. Follows `torch.optim.AdamW` and `optax.adamw`
    (whose default decay is 1e-4): the decay is multiplied by the learning rate. (In the paper it is
    multiplied by the schedule alone.)

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
        >>> from learnerdsl.learners import adamw
        >>> weights = np.ones(3, np.float32)
        >>> learner = adamw([weights], lr=0.1)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.899, 0.899, 1.099], dtype=float32)

    References:
        Loshchilov and Hutter, [Decoupled Weight Decay
        Regularization](https://arxiv.org/abs/1711.05101), 2019.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    return assign(p, p - lr * (m_hat / (sqrt(v_hat) + eps) + weight_decay * p))
