"""MADGRAD: dual averaging, with the cube root of a sum of squared gradients."""

from learnerdsl import assign, equal, let, rule, sqrt, state, step, where


@rule
def madgrad(p, g, lr=1e-2, momentum=0.9, eps=1e-6):
    r"""MADGRAD: momentumized, adaptive, dual averaged gradient method.

    $$\lambda_t = (\eta + \epsilon) \sqrt{t} \qquad
    q \leftarrow q + \lambda_t g^2 \qquad
    s \leftarrow s + \lambda_t g$$

    $$p \leftarrow \mu p + (1 - \mu) \left(p_0 - \frac{s}{\sqrt[3]{q} + \epsilon}\right)$$

    Steps are measured from the start $p_0$, as in dual averaging, so early gradients never lose
    their weight. Its authors report that it is as good as SGD on images and as Adam on text. The
    learning rate has to be tuned separately, because the rates of SGD and Adam do not carry over.
    The cube root makes the loop slow. Follows `optax.contrib.madgrad` and the authors' package, in
    which $\lambda_t = 0$ at a rate of 0. (optax has $\epsilon \sqrt{t}$ then, and moves.)

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the parameter that is kept.
        eps: $\epsilon$, added to the cube root and to the learning rate.

    State variables: `q` and `s`, weighted sums of squared gradients and of gradients; `start`, the
    initial parameter.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import madgrad
        >>> weights = np.ones(3, np.float32)
        >>> learner = madgrad([weights], lr=0.1)
        >>> learner.update([np.array([10, 0.1, -1], np.float32)])
        True
        >>> weights.round(3)
        array([0.954, 0.99 , 1.022], dtype=float32)

    References:
        Defazio and Jelassi, [Adaptivity without Compromise: A Momentumized, Adaptive, Dual
        Averaged Gradient Method for Stochastic Optimization](https://arxiv.org/abs/2101.11075),
        2021.
    """
    q, s, start = state("q"), state("s"), state("start", init=p)
    weight = let("weight", where(equal(lr, 0), 0, (lr + eps) * sqrt(step)))
    q_new = assign(q, q + weight * g**2)
    s_new = assign(s, s + weight * g)
    z = assign(start, start) - s_new / (q_new ** (1 / 3) + eps)
    return assign(p, p + (1 - momentum) * (z - p))
