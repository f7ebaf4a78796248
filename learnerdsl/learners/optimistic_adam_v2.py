"""Optimistic Adam: Adam that subtracts its last step, for games between two networks."""

from learnerdsl import assign, combine, equal, let, rule, sqrt, state, step, where


@rule
def optimistic_adam_v2(p, g, lr=1e-3, alpha=1.0, beta=1.0, beta1=0.9, beta2=0.999, eps=1e-8):
    r"""Optimistic Adam: NAdam that adds the last change of its own direction.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    $$\hat{m} = \frac{\beta_1 m}{1 - \beta_1^{t+1}} + \frac{(1 - \beta_1)\, g}{1 - \beta_1^t} \qquad
    u = \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon}$$

    $$p \leftarrow p - \eta \left( (\alpha + \beta)\, u - \beta u' \right) \qquad u' \leftarrow u$$

    with $u' = u$ at the first update. Made for saddle points: where the gradients of two players
    make them circle, as in generative adversarial networks, plain Adam keeps circling and this rule
    converges. For ordinary minimisation it gains nothing. Follows `optax.optimistic_adam_v2`, with
    its Nesterov momentum. (The paper has $\hat{m} = m / (1 - \beta_1^t)$.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        alpha: weight $\alpha$ of the direction.
        beta: weight $\beta$ of its change since the last update.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $\hat{v}$.

    State variables: `m` and `v`, the running means of the gradient and of its square; `u_last`, the
    direction of the previous update.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import optimistic_adam_v2
        >>> weights = np.ones(3, np.float32)
        >>> learner = optimistic_adam_v2([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.853, 0.853, 0.853], dtype=float32)

    References:
        Daskalakis et al., [Training GANs with Optimism](https://arxiv.org/abs/1711.00141), 2018.
    """
    m, v, u_last = state("m"), state("v"), state("u_last")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = beta1 / (1 - beta1 ** (step + 1)) * m_new + (1 - beta1) / (1 - beta1**step) * g
    v_hat = v_new / (1 - beta2**step)
    u = let("u", m_hat / (sqrt(v_hat) + eps))
    last = where(equal(step, 1), u, u_last)
    p_new = assign(p, p - lr * ((alpha + beta) * u - beta * last))
    return combine([p_new, assign(u_last, u)])
