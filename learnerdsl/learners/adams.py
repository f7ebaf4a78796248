"""AdamS: Adam whose weight decay is normalised over the whole model."""

from learnerdsl import assign, let, mean, rule, sqrt, state, step


@rule
def adams(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=1e-4):
    r"""AdamS: Adam with stable weight decay, divided by the root mean square of the whole model.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{m} = \frac{m}{1 - \beta_1^t} \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    $$p \leftarrow p - \eta \left( \frac{\hat{m}}{\sqrt{\hat{v}} + \epsilon}
    + \frac{\lambda}{\sqrt{\bar{v}} + \epsilon}\, p \right)$$

    where $\bar{v}$ is the mean of $\hat{v}$ over the whole model. The decay of AdamW is too weak
    compared with steps that stay large while gradients fall. Here the decay grows as gradients
    fall, so the two stay in balance. Choose $\lambda$ as for momentum, not as for AdamW. Follows
    the paper, with $\epsilon$ added to both roots as in `pytorch_optimizer.AdamS`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the roots.
        weight_decay: decoupled weight decay $\lambda$ for a root mean square of 1.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adams
        >>> weights = np.ones(3, np.float32)
        >>> learner = adams([weights], lr=0.1, weight_decay=0.1)
        >>> learner.update([np.full(3, 0.5, np.float32)])
        True
        >>> weights.round(3)
        array([0.88, 0.88, 0.88], dtype=float32)

    References:
        Xie et al., [On the Overlooked Pitfalls of Weight Decay and How to Mitigate Them: A
        Gradient-Norm Perspective](https://arxiv.org/abs/2011.11152), 2023.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    decay = let("decay", weight_decay / (sqrt(mean(v_hat, over="model")) + eps))
    return assign(p, p - lr * (m_hat / (sqrt(v_hat) + eps) + decay * p))
