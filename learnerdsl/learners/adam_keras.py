"""Adam as Keras has it: epsilon is added to the root of the uncorrected second moment."""

from learnerdsl import assign, rule, sqrt, state, step


@rule
def adam_keras(p, g, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-7, weight_decay=0.0):
    r"""Adam of Keras: epsilon before bias correction, and weight decay outside the division.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$p \leftarrow (1 - \eta \lambda)\, p
    - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m}{\sqrt{v} + \epsilon}$$

    For models that were trained with `keras.optimizers.Adam` (or `AdamW`, whose decay is 0.004).
    Otherwise use `adam` or `adamw`, in which $\epsilon$ has the same meaning at every step. The two
    conventions differ where gradients are as small as $\epsilon / \sqrt{1 - \beta_2^t}$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of the uncorrected $v$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adam_keras
        >>> weights = np.ones(3, np.float32)
        >>> learner = adam_keras([weights], lr=0.1)
        >>> learner.update([np.array([1, 1e-6, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.9  , 0.976, 1.1  ], dtype=float32)

    References:
        Kingma and Ba, [Adam: A Method for Stochastic
        Optimization](https://arxiv.org/abs/1412.6980), end of section 2, 2015.
    """
    m, v = state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    correction = sqrt(1 - beta2**step) / (1 - beta1**step)
    return assign(p, (1 - lr * weight_decay) * p - lr * correction * m_new / (sqrt(v_new) + eps))
