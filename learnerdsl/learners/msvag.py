"""M-SVAG: momentum, damped by the variance of the stochastic gradient."""

from learnerdsl import assign, clip, equal, let, minimum, rule, state, step, where


@rule
def msvag(p, g, lr=1e-2, beta=0.9):
    r"""M-SVAG: SGD with momentum, with shorter steps for elements whose gradient is noisy.

    $$m \leftarrow \beta m + (1 - \beta)\, g \qquad
    v \leftarrow \beta v + (1 - \beta)\, g^2 \qquad
    \hat{m} = \frac{m}{1 - \beta^t} \qquad
    \hat{v} = \frac{v}{1 - \beta^t}$$

    $$\rho = \frac{(1 - \beta)(1 + \beta^t)}{(1 + \beta)(1 - \beta^t)} \qquad
    s = \frac{\hat{v} - \hat{m}^2}{1 - \rho} \qquad
    p \leftarrow p - \eta \frac{\hat{m}^2}{\hat{m}^2 + \rho s} \hat{m}$$

    Adapts to the variance as Adam does, but without its sign-like step, and so generalises like
    SGD. Use rates as large as those of SGD. The factor stays between 0 and 1, and $s$ is 0 at the
    first step, where one gradient shows no variance. Follows `pytorch_optimizer.MSVAG` from 4.1 on,
    which keeps $\rho$ below 0.9999 too.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta: share $\beta$ of both running means that is kept.

    State variables: `m` and `v`, the running means of the gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import msvag
        >>> weights = np.ones(2, np.float32)
        >>> learner = msvag([weights], lr=0.1)
        >>> for gradient in ([1, 1], [1, -1], [1, 1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.8 0.9]
        [0.7   0.893]

    References:
        Balles and Hennig, [Dissecting Adam: The Sign, Magnitude and Variance of Stochastic
        Gradients](https://arxiv.org/abs/1705.07774), 2018.
    """
    m, v = state("m"), state("v")
    m_hat = let("m_hat", assign(m, beta * m + (1 - beta) * g) / (1 - beta**step))
    v_hat = assign(v, beta * v + (1 - beta) * g**2) / (1 - beta**step)
    rho = (1 - beta) * (1 + beta**step) / ((1 + beta) * (1 - beta**step))
    rho = let("rho", minimum(rho, 0.9999))
    # One gradient has no variance, and its rounding would be multiplied by 9999.
    scale = let("scale", where(equal(step, 1), 0, rho / (1 - rho)))
    square = let("square", m_hat**2)
    ratio = let("ratio", square / (square + scale * (v_hat - square)))
    factor = where(equal(square, 0), 0, clip(ratio, 0, 1))
    return assign(p, p - lr * factor * m_hat)
