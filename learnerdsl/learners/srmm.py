"""SRMM: running means of gradient and parameter with a growing memory."""

from learnerdsl import assign, rule, state, step


@rule
def srmm(p, g, lr=1e-2, beta=0.5, memory_length=100.0):
    r"""SRMM: stochastic regularized majorization-minimization.

    $$w = \left((t \bmod M) + 1\right)^{-\beta} \qquad
    \bar{g} \leftarrow (1 - w)\, \bar{g} + w g \qquad
    \bar{p} \leftarrow (1 - w)\, \bar{p} + w p - \eta \bar{g} \qquad
    p \leftarrow \bar{p}$$

    A long memory that restarts every $M$ steps; more a method for theory than for practice. Follows
    `pytorch_optimizer.SRMM`: $\bar{p}$ starts at 0, so the first step multiplies the parameter by
    $2^{-\beta}$.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta: $\beta$, the power with which the weight of new values falls.
        memory_length: $M$, the number of steps after which the memory restarts.

    State variables: `g_mean` and `p_mean`, the running means of the gradient and of the
    parameter.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import srmm
        >>> weights = np.ones(3, np.float32)
        >>> learner = srmm([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.636, 0.636, 0.636], dtype=float32)

    References:
        Lyu, [Stochastic regularized majorization-minimization with weakly convex and
        multi-convex surrogates](https://arxiv.org/abs/2201.01652), 2024.
    """
    g_mean, p_mean = state("g_mean"), state("p_mean")
    weight = (step % memory_length + 1) ** -beta
    g_mean_new = assign(g_mean, (1 - weight) * g_mean + weight * g)
    p_mean_new = assign(p_mean, (1 - weight) * p_mean + weight * p - lr * g_mean_new)
    return assign(p, p_mean_new)
