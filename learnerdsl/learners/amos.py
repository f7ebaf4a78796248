"""Amos: a rate and a decay that fall by themselves, toward weights of a known size."""

from learnerdsl import assign, combine, let, mean, rule, sqrt, state, step


@rule
def amos(p, g, lr=1e-3, beta=0.999, scale=0.5, eps=1e-18):
    r"""Amos: SGD scaled by tensor, with its own decay of the rate and of the weights.

    $$q \leftarrow \beta q + (1 - \beta)\, \mathrm{mean}\, g^2 \qquad
    r = \frac{1 - \beta^t}{q + \epsilon} \qquad
    \gamma = \frac{\eta^2 r \, \mathrm{mean}\, g^2}{\sqrt{1 + \frac{1}{4} \sqrt{\eta} \, b}}$$

    $$p \leftarrow p - \frac{\frac{1}{2} \gamma p + \eta s \sqrt{r} g}
    {1 + \frac{1}{4} \sqrt{\eta s} \, b} \qquad
    b \leftarrow (1 + \gamma)\, b + \gamma$$

    with means over one tensor. Needs neither a schedule nor a tuned weight decay, because $b$ grows
    and with it the divisor of each step. Its state is two numbers per tensor. In return it needs
    the size $s$ that trained weights have, group by group: the paper has 1/2 for biases and gains,
    and for a matrix with $d$ inputs about $\sqrt{2 / d}$. Follows `pytorch_optimizer.Amos` (which
    takes these from the shapes), without its optional momentum.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, about the root of one over the number of independent batches.
        beta: share $\beta$ of the mean squared gradient that is kept.
        scale: expected root mean square $s$ of the trained weights.
        eps: $\epsilon$, added to the mean squared gradient.

    State variables: `q`, the running mean of the squared gradient, and `b`, the decay so far; one
    number each per tensor.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import amos
        >>> weights = np.ones(3, np.float32)
        >>> learner = amos([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.945, 0.945, 0.945], dtype=float32)

    References:
        Tian and Parikh, [Amos: An Adam-style Optimizer with Adaptive Weight Decay towards
        Model-Oriented Scale](https://arxiv.org/abs/2210.11693), 2022.
    """
    q, b = state("q", shape="tensor"), state("b", shape="tensor")
    square = let("square", mean(g**2))
    q_new = assign(q, beta * q + (1 - beta) * square)
    r = (1 - beta**step) / (q_new + eps)
    gamma = let("gamma", lr**2 * r * square / sqrt(1 + sqrt(lr) * b / 4))
    u = (gamma * p / 2 + lr * scale * sqrt(r) * g) / (1 + sqrt(lr * scale) * b / 4)
    return combine([assign(p, p - u), assign(b, (1 + gamma) * b + gamma)])
