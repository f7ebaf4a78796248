"""AdaBound: Adam whose rates stay between two curves."""

from learnerdsl import assign, clip, combine, equal, let, maximum, rule, sqrt, state, step, where


@rule
def adabound(
    p,
    g,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    final_lr=0.1,
    gamma=1e-3,
    eps=1e-8,
    weight_decay=0.0,
):
    r"""AdaBound: Adam that turns into SGD, because two bounds on each element's rate close.

    $$p \leftarrow (1 - \eta \lambda)\, p \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$a = \frac{\eta \sqrt{1 - \beta_2^t}}{(1 - \beta_1^t) (\sqrt{v} + \epsilon)} \qquad
    a_\infty = \frac{\eta}{\eta_0} \eta_\infty$$

    $$p \leftarrow p - m \cdot \mathrm{clip} \left( a,\;
    a_\infty \left( 1 - \frac{1}{\gamma t + 1} \right),\;
    a_\infty \left( 1 + \frac{1}{\gamma t} \right) \right)$$

    As fast as Adam at first, and generalises like SGD in the end if the final rate suits SGD; a
    wrong final rate spoils both. $\eta_0$ is the rate that the learner is made with, so a schedule
    lowers the bounds, too; if that rate is 0, $\eta_0$ is the largest rate so far. Follows the
    paper with the decoupled decay of `pytorch_optimizer.AdaBound`, which also adds 1e-15 under the
    root.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        final_lr: $\eta_\infty$, the rate of SGD that both bounds approach.
        gamma: speed $\gamma$ with which the bounds close.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m` and `v`, the running means of the gradient and of its square; `first_lr`,
    the rate at the start, and `peak_lr`, the largest rate since then if the first was 0, for each
    tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adabound
        >>> weights = np.ones(3, np.float32)
        >>> learner = adabound([weights], lr=0.1, gamma=1.0)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.9  , 0.998, 1.02 ], dtype=float32)

    References:
        Luo et al., [Adaptive Gradient Methods with Dynamic Bound of Learning
        Rate](https://arxiv.org/abs/1902.09843), 2019.
    """
    m, v = state("m"), state("v")
    first_lr = state("first_lr", init=lr, shape="tensor")
    peak_lr = state("peak_lr", shape="tensor")
    peak_new = assign(peak_lr, where(equal(first_lr, 0), maximum(peak_lr, lr), peak_lr))
    base_lr = let("base_lr", where(equal(first_lr, 0), peak_new, first_lr))
    p_decayed = (1 - lr * weight_decay) * p
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    final = let("final", where(equal(base_lr, 0), 0, final_lr * lr / base_lr))
    low, high = final * (1 - 1 / (gamma * step + 1)), final * (1 + 1 / (gamma * step))
    adam_lr = lr * sqrt(1 - beta2**step) / (1 - beta1**step)
    moved = assign(p, p_decayed - clip(adam_lr / (sqrt(v_new) + eps), low, high) * m_new)
    return combine([moved, assign(first_lr, first_lr), peak_new])
