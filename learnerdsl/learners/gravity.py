"""KATE and Gravity: other ways to tame the gradient than Adam's."""

from learnerdsl import abs, assign, equal, let, max, normal, rule, sqrt, state, step, where


@rule
def kate(p, g, lr=1e-3, delta=0.0, eps=1e-8, weight_decay=0.0):
    r"""KATE: Adagrad without its root, invariant to the scale of the features.

    $$p \leftarrow (1 - \eta \lambda)\, p \qquad
    b \leftarrow b + g^2 + \epsilon \qquad
    m \leftarrow m + \delta g^2 + \frac{g^2}{b} \qquad
    p \leftarrow p - \eta \frac{\sqrt{m}}{b} g$$

    Adagrad's rate falls with the root of the sum $b$ of squares, KATE's with the sum itself over
    the root of a sum $m$ that grows along. Suits (generalised) linear models whose features have
    very different scales; small gradients give large first steps, of $1 / g$. As
    `pytorch_optimizer.Kate`, which keeps the roots of both sums instead.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        delta: part $\delta$ of the squared gradient that enters the numerator; the paper's $\eta$.
        eps: $\epsilon$, added to the sum of squares at each step.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `b`, the sum of squared gradients, and `m`, that of their parts of `b`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import kate
        >>> weights = np.ones(3, np.float32)
        >>> learner = kate([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.9, 0.9, 0.9], dtype=float32)

    References:
        Choudhury et al., [Remove that Square Root: A New Efficient Scale-Invariant Version of
        AdaGrad](https://arxiv.org/abs/2403.02648), 2024.
    """
    b, m = state("b"), state("m")
    b_new = assign(b, b + g**2 + eps)
    m_new = assign(m, m + delta * g**2 + g**2 / b_new)
    return assign(p, (1 - lr * weight_decay) * p - lr * sqrt(m_new) * g / b_new)


@rule
def gravity(p, g, lr=1e-2, alpha=0.01, beta=0.9):
    r"""Gravity: momentum of gradients that are damped the more the larger they are.

    $$\zeta = \frac{g}{1 + (g \max \lvert g \rvert)^2} \qquad
    \hat\beta = \frac{\beta t + 1}{t + 2} \qquad
    V \leftarrow \hat\beta V + (1 - \hat\beta)\, \zeta \qquad
    p \leftarrow p - \eta V$$

    with the maximum over one tensor, and $V$ normal with deviation $\alpha / \eta$ before the first
    step. Takes short steps where gradients are very large or very small. The random start moves
    weights by about $0.6 \alpha$; where $\eta$ is 0 at first, there is none. As
    `pytorch_optimizer.Gravity` apart from the random numbers.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        alpha: deviation $\alpha$ of a first step; 0 starts from $V = 0$.
        beta: share $\beta$ of $V$ that is kept in the end; about half of it is at first.

    State variables: `V`, the velocity.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import gravity
        >>> weights = np.ones(3, np.float32)
        >>> learner = gravity([weights], lr=0.1, alpha=0.0)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([0.982, 0.982, 0.982], dtype=float32)

    References:
        Bahrami and Pourmohammadi Zadeh, [Gravity Optimizer: a Kinematic Approach on Optimization
        in Deep Learning](https://arxiv.org/abs/2101.09192), 2021.
    """
    V = state("V")
    deviation = let("deviation", where(equal(lr, 0), 0, alpha / lr))
    old = where(equal(step, 1), deviation * normal(), V)
    b = (beta * step + 1) / (step + 2)
    zeta = g / (1 + (g * max(abs(g))) ** 2)
    V_new = assign(V, b * old + (1 - b) * zeta)
    return assign(p, p - lr * V_new)
