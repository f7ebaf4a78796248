"""Ranger: RAdam on centralised gradients, with lookahead."""

from learnerdsl import assign, equal, let, mean, ndim, rule, sqrt, state, step, where
from learnerdsl.options import whole_from


@rule
def ranger(
    p,
    g,
    lr=1e-3,
    beta1=0.95,
    beta2=0.999,
    eps=1e-5,
    weight_decay=0.0,
    alpha=0.5,
    k=6,
    threshold=5.0,
    centralise=True,
):
    r"""Ranger: RAdam on centralised gradients, with slow weights that follow every k steps.

    $$g \leftarrow g - \mathrm{mean}(g) \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$p \leftarrow (1 - \eta \lambda) p - \frac{\eta}{1 - \beta_1^t} \cdot \begin{cases}
    r_t \sqrt{1 - \beta_2^t}\, m / (\sqrt{v} + \epsilon) & \rho_t \ge \tau \\
    m & \text{otherwise} \end{cases}$$

    $$\text{every } k \text{ steps:} \qquad s \leftarrow s + \alpha (p - s) \qquad p \leftarrow s$$

    with $\rho_t$ and $r_t$ of `radam`, and the mean over all axes but the first, for tensors of two
    and more axes. For image classifiers with a fixed budget, where it needs little tuning. Follows
    the author's Ranger and `pytorch_optimizer.Ranger(degenerated_to_sgd=True)`, whose default
    ascends the gradient before $\rho_t$ reaches the threshold.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        eps: $\epsilon$, added to the root of $v$, which is not corrected.
        weight_decay: decoupled weight decay $\lambda$.
        alpha: share $\alpha$ of the distance that the slow weights move.
        k: number of steps between their moves.
        threshold: $\tau$, the $\rho_t$ from which the step is divided; at least 4.
        centralise: whether to subtract the mean from gradients.

    State variables: `m` and `v`, the running means of the gradient and of its square; `slow`, the
    slow weights $s$, starting from the weights.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import ranger
        >>> weights = np.ones((1, 2), np.float32)
        >>> learner = ranger([weights], lr=0.1, k=2)
        >>> for gradient in ([[3, 1]], [[3, 1]]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [[0.9 1.1]]
        [[0.9 1.1]]

    References:
        Wright, [Ranger: a synergistic
        optimizer](https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer), 2019.
    """
    m, v, slow = state("m"), state("v"), state("slow", init=p)
    if centralise and ndim(p) > 1:
        g = let("centred", g - mean(g, axis=tuple(range(1, ndim(p)))))
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    rho_inf = 2 / (1 - beta2) - 1
    rho = let("rho", rho_inf - 2 * step * beta2**step / (1 - beta2**step))
    r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    rectification = let("rectification", where(rho >= threshold, r * sqrt(1 - beta2**step), 0))
    adaptive = where(rectification > 0, rectification / (sqrt(v_new) + eps), 1)
    fast = p * (1 - lr * weight_decay) - lr / (1 - beta1**step) * m_new * adaptive
    fast = let("fast", fast)
    meets = equal(step % whole_from(1, "k", k), 0)
    slow_new = assign(slow, where(meets, slow + alpha * (fast - slow), slow))
    return assign(p, where(meets, slow_new, fast))
