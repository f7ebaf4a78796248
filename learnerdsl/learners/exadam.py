"""EXAdam: Adam with crossed bias corrections."""

from learnerdsl import assign, rule, sqrt, state, step


@rule
def exadam(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    r"""EXAdam: Adam in which each running mean also corrects the other.

    $$p \leftarrow (1 - \eta \lambda)\, p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$d_1 = 1 + \frac{v}{v + \epsilon} \beta_2^t \qquad
    d_2 = 1 + \frac{m^2}{m^2 + \epsilon} \beta_1^t$$

    $$p \leftarrow p - \eta \frac{(m + g)\, d_1 / (1 - \beta_1^t)}
    {\sqrt{v d_2 / (1 - \beta_2^t)} + \epsilon}$$

    The newest gradient is added to the momentum with its full weight. At the same rate the first
    step is 16 times that of Adam, and later ones are about twice as long, so rates have to be
    lower. Follows `pytorch_optimizer.EXAdam`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added in both corrections and to the root.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import exadam
        >>> weights = np.ones(3, np.float32)
        >>> learner = exadam([weights], lr=0.01)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.84, 0.84, 0.84], dtype=float32)

    References:
        Adly, [EXAdam: The Power of Adaptive Cross-Moments](https://arxiv.org/abs/2412.20302),
        2024.
    """
    m, v = state("m"), state("v")
    p_decayed = (1 - lr * weight_decay) * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    d1 = 1 + v_new / (v_new + eps) * beta2**step
    d2 = 1 + m_new**2 / (m_new**2 + eps) * beta1**step
    mean = (m_new + g) * d1 / (1 - beta1**step)
    return assign(p, p_decayed - lr * mean / (sqrt(v_new * d2 / (1 - beta2**step)) + eps))
