"""AdaNorm: Adam on gradients whose norm does not fall below its running mean."""

from learnerdsl import assign, let, norm, rule, sqrt, state, step, where


@rule
def adanorm(p, g, lr=1e-3, beta1=0.9, beta2=0.99, rho=0.95, eps=1e-8, weight_decay=0.0):
    r"""AdaNorm: Adam that lengthens gradients whose norm is below its running mean.

    $$p \leftarrow (1 - \eta \lambda)\, p \qquad
    e \leftarrow \rho e + (1 - \rho) \lVert g \rVert \qquad
    s = \begin{cases} g \cdot e / \lVert g \rVert & e > \lVert g \rVert \\ g & \text{else}
    \end{cases}$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, s \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    p \leftarrow p - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$

    with the norm over one tensor. Keeps steps long where gradients fade, which helps convolutional
    networks. A noisy last phase then needs a falling rate all the more. Follows the paper, with the
    decay and the defaults of `pytorch_optimizer.AdaNorm` (from 4.1 on, except that it adds
    $\epsilon$ to the root of $v$ before the bias correction).

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        rho: share $\rho$ of the mean norm that is kept.
        eps: $\epsilon$, added to the root of the corrected $v$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m` and `v`, the running means of the lengthened gradient and of the squared
    gradient; `e`, that of the norm, one for each tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adanorm
        >>> weights = np.ones(2, np.float32)
        >>> learner = adanorm([weights], lr=0.1, rho=0.5)
        >>> for gradient in ([1, -1], [0.1, -0.1], [0.1, -0.1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 1.1]
        [0.811 1.189]
        [0.73 1.27]

    References:
        Dubey, Singh and Chaudhuri, [AdaNorm: Adaptive Gradient Norm Correction based Optimizer
        for CNNs](https://arxiv.org/abs/2210.06364), 2023.
    """
    m, v, e = state("m"), state("v"), state("e", shape="tensor")
    g_norm = norm(g)
    e_new = assign(e, rho * e + (1 - rho) * g_norm)
    longer = (g_norm > 0) & (e_new > g_norm)
    scale = let("scale", where(longer, e_new / g_norm, 1))
    m_new = assign(m, beta1 * m + (1 - beta1) * scale * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    return assign(p, (1 - lr * weight_decay) * p - lr * m_hat / (sqrt(v_hat) + eps))
