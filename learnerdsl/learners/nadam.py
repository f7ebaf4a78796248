"""NAdam: Adam with Nesterov's momentum, which grows by a schedule."""

from learnerdsl import assign, let, rule, sqrt, state, step


@rule
def nadam(p, g, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, momentum_decay=4e-3):
    r"""NAdam: Adam that looks one step of its momentum ahead.

    $$g \leftarrow g + \lambda p \qquad
    \mu_t = \beta_1 \left( 1 - \tfrac12 \, 0.96^{t \psi} \right) \qquad
    \Pi \leftarrow \mu_t \Pi$$

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    $$\hat{m} = \frac{(1 - \mu_t)\, g}{1 - \Pi} + \frac{\mu_{t+1}\, m}{1 - \mu_{t+1} \Pi} \qquad
    p \leftarrow p - \eta \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon}$$

    Often a little faster than Adam at the same cost in memory. The momentum starts at about half of
    $\beta_1$ and with the default $\psi$ needs tens of thousands of steps to reach it, so on short
    runs the step is mostly the gradient itself. Follows `torch.optim.NAdam`. (Keras has $\psi = 1$;
    optax holds the momentum constant, see `nadamw`.) `beta1` and `momentum_decay` must be the same
    for all groups, because $\Pi$ is.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept, and the limit of $\mu_t$.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $\hat{v}$.
        weight_decay: coefficient $\lambda$ of the L2 penalty.
        momentum_decay: $\psi$, how fast $\mu_t$ grows to $\beta_1$.

    State variables: `m` and `v`, the running means of the gradient and of its square;
    `mu_product`, the product of all $\mu_t$ so far, one number for each tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import nadam
        >>> weights = np.ones(2, np.float32)
        >>> learner = nadam([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, -1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.894 0.894]
        [0.816 0.964]

    References:
        Dozat, [Incorporating Nesterov Momentum into
        Adam](https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ), 2016.
    """
    m, v = state("m"), state("v")
    mu_product = state("mu_product", init=1.0, shape="tensor")
    g = g + weight_decay * p
    mu = let("mu", beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay)))
    mu_next = let("mu_next", beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * momentum_decay)))
    product = assign(mu_product, mu * mu_product)
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = (1 - mu) / (1 - product) * g + mu_next / (1 - mu_next * product) * m_new
    v_hat = v_new / (1 - beta2**step)
    return assign(p, p - lr * m_hat / (sqrt(v_hat) + eps))
