"""RAdam: Adam that trusts its second moment only after some steps, in torch's and optax's form."""

from learnerdsl import assign, let, rule, sqrt, state, step, where


@rule
def radam(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    r"""RAdam: Adam with a warm-up that follows from the variance of its divisor.

    $$g \leftarrow g + \lambda p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{m} = \frac{m}{1 - \beta_1^t}$$

    $$\rho_\infty = \frac{2}{1 - \beta_2} - 1 \qquad
    \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t} \qquad
    r_t = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2)\, \rho_\infty}
    {(\rho_\infty - 4)(\rho_\infty - 2)\, \rho_t}}$$

    $$p \leftarrow p - \eta \hat{m} \cdot \begin{cases}
    r_t \sqrt{1 - \beta_2^t} / (\sqrt{v} + \epsilon) & \rho_t > 5 \\
    1 & \text{otherwise} \end{cases}$$

    Needs no warm-up schedule: the first five steps are those of momentum SGD, and then Adam is
    phased in. The length of those first steps is proportional to the gradients, so gradients should
    have moderate size. Follows `torch.optim.RAdam`: $\epsilon$ is added to the root of the
    uncorrected $v$. (`radam_optax` adds it to the corrected one, which matters for gradients near
    $\epsilon$.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the uncorrected $v$.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import radam
        >>> weights = np.ones(2, np.float32)
        >>> learner, gradient = radam([weights], lr=0.1), np.array([1, 0.1], np.float32)
        >>> all(learner.update([gradient]) for _ in range(5)), weights.round(3)
        (True, array([0.5 , 0.95], dtype=float32))
        >>> learner.update([gradient]), weights.round(3)
        (True, array([0.497, 0.947], dtype=float32))

    References:
        Liu et al., [On the Variance of the Adaptive Learning Rate and
        Beyond](https://arxiv.org/abs/1908.03265), 2020.
    """
    m, v = state("m"), state("v")
    g = g + weight_decay * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**step)
    rho, r = _length_and_rectification(beta2)
    rectification = let("rectification", where(rho > 5, r, 0))
    adaptive = rectification * sqrt(1 - beta2**step) / (sqrt(v_new) + eps)
    return assign(p, p - lr * m_hat * where(rectification > 0, adaptive, 1))


@rule
def radam_optax(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, threshold=5.0):
    r"""RAdam of optax: the divisor is corrected before $\epsilon$ is added.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{m} = \frac{m}{1 - \beta_1^t} \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    $$p \leftarrow p - \eta \hat{m} \cdot \begin{cases}
    r_t / (\sqrt{\hat{v}} + \epsilon) & \rho_t \ge \tau \\
    1 & \text{otherwise} \end{cases}$$

    with the $\rho_t$ and $r_t$ of `radam`, whose strengths and weaknesses it has. Follows
    `optax.radam`: there is no weight decay, and the threshold $\tau$ can be chosen. Below
    $\rho_t = 4$ there is no $r_t$; the step is then not divided whatever the threshold, where optax
    gives NaN.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the corrected $\hat{v}$.
        threshold: $\tau$, the $\rho_t$ from which the step is divided.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import radam_optax
        >>> weights = np.ones(2, np.float32)
        >>> learner, gradient = radam_optax([weights], lr=0.1), np.array([1, 0.1], np.float32)
        >>> all(learner.update([gradient]) for _ in range(5)), weights.round(3)
        (True, array([0.5 , 0.95], dtype=float32))
        >>> learner.update([gradient]), weights.round(3)
        (True, array([0.497, 0.947], dtype=float32))

    References:
        Liu et al., [On the Variance of the Adaptive Learning Rate and
        Beyond](https://arxiv.org/abs/1908.03265), 2020.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    m_hat = m_new / (1 - beta1**step)
    v_hat = v_new / (1 - beta2**step)
    rho, r = _length_and_rectification(beta2)
    rectification = let("rectification", where(rho >= threshold, r, 0))
    adaptive = rectification / (sqrt(v_hat) + eps)
    return assign(p, p - lr * m_hat * where(rectification > 0, adaptive, 1))


def _length_and_rectification(beta2):
    """Return rho_t and r_t; the latter has no meaning where rho_t is below 4."""
    rho_inf = 2 / (1 - beta2) - 1
    rho = let("rho", rho_inf - 2 * step * beta2**step / (1 - beta2**step))
    return rho, sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
