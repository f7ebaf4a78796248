"""COCOB: coin betting, which needs no learning rate."""

from learnerdsl import abs, assign, maximum, rule, state


@rule
def cocob(p, g, alpha=100.0, eps=1e-8):
    r"""COCOB-Backprop: each element bets a share of its winnings on its next gradient.

    $$L \leftarrow \max(L, |g|) \qquad G \leftarrow G + |g| \qquad
    R \leftarrow \max(R - g\, (p - p_0),\ 0) \qquad C \leftarrow C - g$$

    $$p \leftarrow p_0 + \frac{C}{L \max(G + L,\ \alpha L)} (L + R)$$

    Needs no learning rate and finds its pace by itself. A tuned rule is better, and this one keeps
    five numbers for each weight. Follows `optax.contrib.cocob` with its learning rate of 1.

    Args:
        p: the parameter.
        g: its gradient.
        alpha: $\alpha$; the first steps are about $1 / \alpha$ long.
        eps: value from which $L$ starts; later changes of it have no effect.

    State variables: `scale`, `total` and `reward`, the $L$, $G$ and $R$ of the formula;
    `gradients`, the negative sum $C$ of gradients; `start`, the initial parameter.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import cocob
        >>> weights = np.ones(2, np.float32)
        >>> learner = cocob([weights])
        >>> for gradient in ([1, 1], [1, -1], [1, 1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.99 0.99]
        [0.98 1.  ]
        [0.969 0.99 ]

    References:
        Orabona and Tommasi, [Training Deep Networks without Learning Rates Through Coin
        Betting](https://arxiv.org/abs/1705.07795), 2017.
    """
    scale, total, reward = state("scale", init=eps), state("total"), state("reward")
    gradients, start = state("gradients"), state("start", init=p)
    p_0 = assign(start, start)
    L = assign(scale, maximum(scale, abs(g)))
    G = assign(total, total + abs(g))
    R = assign(reward, maximum(reward - g * (p - p_0), 0))
    C = assign(gradients, gradients - g)
    return assign(p, p_0 + C / (L * maximum(G + L, alpha * L)) * (L + R))
