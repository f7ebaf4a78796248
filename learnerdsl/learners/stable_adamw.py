"""StableAdamW: AdamW whose steps are limited tensor by tensor."""

from learnerdsl import assign, let, maximum, mean, rule, sqrt, state, step


@rule
def stable_adamw(p, g, lr=1e-3, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=1e-2):
    r"""StableAdamW: AdamW with the update clipping of Adafactor.

    $$\hat\beta = \beta \frac{1 - \beta^{t-1}}{1 - \beta^t} \qquad
    m \leftarrow \hat\beta_1 m + (1 - \hat\beta_1)\, g \qquad
    v \leftarrow \hat\beta_2 v + (1 - \hat\beta_2)\, g^2$$

    $$r = \sqrt{\mathrm{mean} \frac{g^2}{\max(v, \epsilon^2)}} \qquad
    \eta_t = \frac{\eta}{\max(1, r)} \qquad
    p \leftarrow (1 - \eta_t \lambda)\, p - \eta_t \frac{m}{\sqrt{v} + \epsilon}$$

    with the mean over one tensor. Lowers the rate of a tensor whose gradients have suddenly
    outgrown $v$, which is what makes the loss of large models spike, and so replaces gradient
    clipping. The betas include Adam's bias corrections. Follows
    `pytorch_optimizer.StableAdamW(foreach=False, kahan_sum=False)`.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root; its square is a lower bound of $v$ in $r$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import stable_adamw
        >>> weights = np.ones(2, np.float32)
        >>> learner = stable_adamw([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, 1], [1, 100]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.899 0.899]
        [0.798 0.798]
        [0.727 0.752]

    References:
        Wortsman et al., [Stable and low-precision training for large-scale vision-language
        models](https://arxiv.org/abs/2304.13013), 2023.
    """
    m, v = state("m"), state("v")
    b1 = beta1 * (1 - beta1 ** (step - 1)) / (1 - beta1**step)
    b2 = beta2 * (1 - beta2 ** (step - 1)) / (1 - beta2**step)
    m_new = assign(m, b1 * m + (1 - b1) * g)
    v_new = assign(v, b2 * v + (1 - b2) * g**2)
    rms = sqrt(mean(g**2 / maximum(v_new, eps**2)))
    lr_t = let("lr_t", lr / maximum(rms, 1))
    return assign(p, (1 - lr_t * weight_decay) * p - lr_t * m_new / (sqrt(v_new) + eps))
