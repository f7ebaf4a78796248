"""AvaGrad: Adam whose rates are normalised over the model and lag one step behind."""

from learnerdsl import assign, combine, let, mean, rule, sqrt, state, step, where


@rule
def avagrad(p, g, lr=0.1, beta1=0.9, beta2=0.999, eps=0.1, weight_decay=0.0):
    r"""AvaGrad: Adam that separates the learning rate from the adaptivity.

    $$g \leftarrow g + \lambda p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    r = \frac{1}{\sqrt{\hat{v}} + \epsilon} \qquad
    \gamma = \frac{1}{\sqrt{\operatorname{mean} r^2}}$$

    $$p \leftarrow p - \eta \gamma r \frac{m}{1 - \beta_1^t} \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    \hat{v} = \frac{v}{1 - \beta_2^t}$$

    with the mean over the whole model, $r$ from the $\hat{v}$ of the step before, and no movement
    in the first step. Since the rates $\gamma r$ have a root mean square of 1, $\epsilon$ sets only
    how much they differ (with a large one the rule becomes momentum) and can be tuned independently
    of the learning rate, which is like that of momentum. Follows the paper, with the corrections
    and the decay of its authors' code. (That code, and `pytorch_optimizer.AvaGrad`, take $\gamma$
    from an older $v$ than $r$.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root: the smaller, the more the rates differ.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `m` and `v`, the running means of the gradient and of its square; `gamma`,
    the factor of the next step.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import avagrad
        >>> weights = np.ones(2, np.float32)
        >>> learner = avagrad([weights], lr=0.1)
        >>> for gradient in ([10, 0.1], [10, 0.1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [1. 1.]
        [0.972 0.986]

    References:
        Savarese et al., [Domain-independent Dominance of Adaptive
        Methods](https://arxiv.org/abs/1912.01823), 2021.
    """
    m, v = state("m"), state("v")
    gamma = state("gamma", shape="model")
    g = g + weight_decay * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    correction = let("correction", where(step > 1, 1 - beta2 ** (step - 1), 1))
    scale = let("scale", lr * gamma / (1 - beta1**step))
    moved = p - scale * m_new / (sqrt(v / correction) + eps)
    p_new = assign(p, where(step > 1, moved, p))
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    rates = 1 / (sqrt(v_new / (1 - beta2**step)) + eps)
    return combine([p_new, assign(gamma, 1 / sqrt(mean(rates**2, over="model")))])
