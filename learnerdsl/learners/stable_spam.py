"""Stable-SPAM: Adam behind two adaptive clippings of the gradient, with resets of its momentum."""

from learnerdsl import abs, assign, combine, equal, let, max, norm, rule, sqrt, state, step, where


@rule
def stable_spam(
    p,
    g,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    gamma1=0.7,
    gamma2=0.9,
    theta=0.999,
    eps=1e-8,
    weight_decay=0.0,
    reset_interval=1000.0,
):
    r"""Stable-SPAM: Adam that scales spikes of elements and norms down to their running means.

    First it clips elements, by the running mean $x$ of the tensor's largest element:

    $$x \leftarrow \theta x + (1 - \theta) \max |g| \qquad \hat{x} = \frac{x}{1 - \theta^t} \qquad
    g \leftarrow \begin{cases} g\, \hat{x} / \max |g| & |g| > \hat{x} \\ g & \text{else}
    \end{cases}$$

    Then it scales the tensor, by running means of its norm and of the squared norm:

    $$a \leftarrow \gamma_1 a + (1 - \gamma_1) \lVert g \rVert \qquad
    b \leftarrow \gamma_2 b + (1 - \gamma_2) \lVert g \rVert^2 \qquad
    g \leftarrow \frac{g}{\lVert g \rVert} \cdot
    \frac{a / (1 - \gamma_1^t)}{\sqrt{b / (1 - \gamma_2^t)} + \epsilon}$$

    Adam uses this gradient; every `reset_interval` steps its $m$, $v$ and step count restart. Made
    for training in low precision, where single gradients explode. It has little to offer where
    gradients are well behaved, because it discards much of their size. Follows the paper and
    `pytorch_optimizer.StableSPAM` (from version 4 on; earlier versions do not clip elements),
    without its schedule: a schedule of `beta1` and `gamma1` does the same. The weight decay is that
    of AdamW.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate of Adam.
        beta1: share of the mean gradient that is kept.
        beta2: share of the mean squared gradient that is kept.
        gamma1: share $\gamma_1$ of the mean norm that is kept.
        gamma2: share $\gamma_2$ of the mean squared norm that is kept.
        theta: share $\theta$ of the mean largest element that is kept.
        eps: $\epsilon$, added to the roots.
        weight_decay: decoupled weight decay, multiplied by the learning rate.
        reset_interval: number of steps between resets, a whole number.

    State variables: `m` and `v`, the running means of the clipped gradient and of its square;
    `largest`, `mean_norm` and `mean_square`, which are $x$, $a$ and $b$ of each tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import stable_spam
        >>> weights = np.ones(2, np.float32)
        >>> learner = stable_spam([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, 1], [1, 1000]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8 0.8]
        [0.723 0.7  ]

    References:
        Huang et al., [Stable-SPAM: How to Train in 4-Bit More Stably than 16-Bit
        Adam](https://arxiv.org/abs/2502.17055), 2025.
    """
    m, v, x = state("m"), state("v"), state("largest", shape="tensor")
    a, b = state("mean_norm", shape="tensor"), state("mean_square", shape="tensor")
    top = max(abs(g))
    x_new = assign(x, theta * x + (1 - theta) * top)
    x_hat = let("x_hat", x_new / (1 - theta**step))
    clip = let("clip", where(equal(top, 0), 1, x_hat / top))
    g = let("clipped", where(abs(g) > x_hat, clip * g, g))
    g_norm = let("g_norm", norm(g))
    a_new = assign(a, gamma1 * a + (1 - gamma1) * g_norm)
    b_new = assign(b, gamma2 * b + (1 - gamma2) * g_norm**2)
    size = (a_new / (1 - gamma1**step)) / (sqrt(b_new / (1 - gamma2**step)) + eps)
    scale = let("scale", where(equal(g_norm, 0), 1, size / g_norm))
    past = step % reset_interval
    keep = let("keep", where(equal(past, 0), 0, 1))
    t = let("t", where(step < reset_interval, step, past + 1))
    m_new = assign(m, beta1 * keep * m + (1 - beta1) * scale * g)
    v_new = assign(v, beta2 * keep * v + (1 - beta2) * (scale * g) ** 2)
    m_hat = m_new / (1 - beta1**t)
    v_hat = v_new / (1 - beta2**t)
    p_new = assign(p, p - lr * (m_hat / (sqrt(v_hat) + eps) + weight_decay * p))
    return combine([p_new, x_new, a_new, b_new])
