"""AdaSmooth: RMSprop whose memory depends on how straight the weights move."""

from learnerdsl import abs, assign, combine, rule, sqrt, state


@rule
def adasmooth(p, g, lr=1e-3, beta1=0.5, beta2=0.99, eps=1e-6, weight_decay=0.0):
    r"""AdaSmooth: RMSprop whose memory depends on each element's effective ratio.

    $$g \leftarrow g + \lambda p \qquad
    s \leftarrow s + (p - p') \qquad
    n \leftarrow n + |p - p'| \qquad
    e = \frac{|s|}{n + \epsilon}$$

    $$c = (\beta_2 - \beta_1)\, e + 1 - \beta_2 \qquad
    v \leftarrow (1 - c^2)\, v + c^2 g^2 \qquad
    p' \leftarrow p \qquad
    p \leftarrow p - \eta \frac{g}{\sqrt{v + \epsilon}}$$

    with $p' = p$ at the first step. An element that moves straight ahead ($e = 1$) has a short
    memory, and one that moves back and forth a long one. The first steps are long, as $v$ starts at
    0 and $c$ is small. Follows `pytorch_optimizer.AdaSmooth`: moves are summed over all steps,
    element by element.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: $1 - \beta_1$ is the $c$ of an element that moves straight ahead.
        beta2: $1 - \beta_2$ is the $c$ of an element that moves back and forth.
        eps: $\epsilon$, added under the root and to $n$.
        weight_decay: coefficient $\lambda$ of the L2 penalty.

    State variables: `s` and `n`, the sums of moves and of their absolute values; `v`, the running
    mean of squared gradients; `last`, the parameter before the last step.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adasmooth
        >>> weights = np.ones(2, np.float32)
        >>> learner = adasmooth([weights], lr=0.001)
        >>> for gradient in ([1, 1], [1, -1], [1, 1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.9 0.9]
        [0.898 0.902]
        [0.897 0.901]

    References:
        Lu, [AdaSmooth: An Adaptive Learning Rate Method based on Effective
        Ratio](https://arxiv.org/abs/2204.00825), 2022.
    """
    s, n, v, last = state("s"), state("n"), state("v"), state("last", init=p)
    g = g + weight_decay * p
    s_new = assign(s, s + p - last)
    n_new = assign(n, n + abs(p - last))
    c = (beta2 - beta1) * abs(s_new) / (n_new + eps) + 1 - beta2
    v_new = assign(v, v + c**2 * (g**2 - v))
    last_new = assign(last, p)
    return combine([last_new, assign(p, p - lr * g / sqrt(v_new + eps))])
