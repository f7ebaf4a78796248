"""KATE: Adagrad without its root."""

from learnerdsl import assign, rule, sqrt, state


@rule
def kate(p, g, lr=1e-3, delta=0.0, eps=1e-8, weight_decay=0.0):
    r"""KATE: Adagrad without its root, invariant to the scale of the features.

    $$p \leftarrow (1 - \eta \lambda)\, p \qquad
    b \leftarrow b + g^2 + \epsilon \qquad
    m \leftarrow m + \delta g^2 + \frac{g^2}{b} \qquad
    p \leftarrow p - \eta \frac{\sqrt{m}}{b} g$$

    Adagrad's rate falls with the root of the sum $b$ of squares, KATE's with the sum itself divided
    by the root of a second sum $m$, which grows with it. Suits (generalised) linear models whose
    features have very different scales; small gradients give large first steps, of $1 / g$. Follows
    `pytorch_optimizer.Kate`, which stores the roots of both sums instead.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        delta: share $\delta$ of the squared gradient that enters the numerator; the paper's $\eta$.
        eps: $\epsilon$, added to the sum of squares at each step.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `b`, the sum of squared gradients, and `m`, the sum of squared gradients
    relative to `b`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import kate
        >>> weights = np.ones(2, np.float32)
        >>> learner = kate([weights], lr=0.1)
        >>> for gradient in ([10, 0.1], [10, 0.1]):
        ...     _ = learner.update([np.array(gradient, np.float32)])
        ...     print(weights.round(3))
        [0.99 0.  ]
        [ 0.984 -0.612]

    References:
        Choudhury et al., [Remove that Square Root: A New Efficient Scale-Invariant Version of
        AdaGrad](https://arxiv.org/abs/2403.02648), 2024.
    """
    b, m = state("b"), state("m")
    b_new = assign(b, b + g**2 + eps)
    m_new = assign(m, m + delta * g**2 + g**2 / b_new)
    return assign(p, (1 - lr * weight_decay) * p - lr * sqrt(m_new) * g / b_new)
