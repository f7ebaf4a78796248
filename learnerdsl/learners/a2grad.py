"""A2Grad: accelerated gradient descent with a pace from the noise of gradients."""

from learnerdsl import assign, let, rule, sqrt, state, step, sum, where


@rule
def a2grad(p, g, beta=10.0, lips=10.0):
    r"""A2Grad-uni: optimal adaptive and accelerated stochastic gradient descent.

    $$\bar{g} \leftarrow \bar{g} + \frac{g - \bar{g}}{t} \qquad
    v \leftarrow v + \lVert g - \bar{g} \rVert^2 \qquad
    c = \frac{1}{2 L / (t + 1) + \beta \sqrt{v}} \qquad
    x \leftarrow x - c g$$

    $$\alpha_t = \frac{2}{t + 2} \qquad
    p \leftarrow (1 - \alpha_{t+1})\, p + \alpha_{t+1} x - (1 - \alpha_{t+1})\, \alpha_t c g$$

    with the norm over one tensor and $\alpha_1 = 1$. Steps grow with Nesterov's weights and shrink
    with the variance seen so far, so there is no learning rate to choose. The theory covers convex
    problems. Follows `pytorch_optimizer.A2Grad` with its variant "uni".

    Args:
        p: the parameter.
        g: its gradient.
        beta: $\beta$, how strongly noise shortens the steps.
        lips: $L$, the most that the gradient changes over a distance of 1 (its Lipschitz constant).

    State variables: `g_mean`, the mean of all gradients; `v`, the variance summed over the tensor
    and all steps; `x`, the point that long steps lead to.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import a2grad
        >>> weights = np.ones(2, np.float32)
        >>> learner = a2grad([weights])
        >>> for gradient in ([1, 1], [1, 1], [-3, -3]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.795 0.795]
        [0.822 0.822]

    References:
        Deng et al., [Optimal Adaptive and Accelerated Stochastic Gradient
        Descent](https://arxiv.org/abs/1810.00553), 2018.
    """
    g_mean, v = state("g_mean"), state("v", shape="tensor")
    x = state("x", init=p)
    g_mean_new = assign(g_mean, g_mean + (g - g_mean) / step)
    v_new = assign(v, v + sum((g - g_mean_new) ** 2))
    pace = let("pace", 1 / (2 * lips / (step + 1) + beta * sqrt(v_new)))
    alpha, alpha_next = where(step > 1, 2 / (step + 2), 1), 2 / (step + 3)
    x_new = assign(x, x - pace * g)
    return assign(
        p, (1 - alpha_next) * p + alpha_next * x_new - (1 - alpha_next) * alpha * pace * g
    )
