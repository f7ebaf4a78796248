"""GPA-AdamW: AdamW with an average of the weights inside, by generalized primal averaging."""

from learnerdsl import assign, combine, evaluate, let, rule, sqrt, state, step
from learnerdsl.learners._schedule_free import average_of


@rule
def gpa_adamw(
    p,
    g,
    lr=1e-3,
    beta1=0.9,
    beta2=0.999,
    mu_x=0.9967,
    mu_y=0.7,
    eps=1e-8,
    weight_decay=0.0,
):
    r"""GPA-AdamW: gradients are taken between the weights of AdamW and their running mean.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad
    v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad
    u = \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$

    $$z \leftarrow (1 - \eta \lambda) z - \eta u \qquad
    x \leftarrow \mu_x x + (1 - \mu_x) z \qquad
    p = \mu_y x + (1 - \mu_y) z$$

    Smooths training as DiLoCo on one machine does, without its inner and outer loops: $\mu_x$ is
    that of an average over some hundred steps, and $\mu_y$ the distance of the gradients from it.
    It needs a schedule, which `schedule_free_adamw` does not, and one array more than AdamW.
    Evaluate with `learner.evaluation_parameters()`, which is $x$. Follows the authors' code,
    without its option to decay $p$: it keeps $p$ and $z$, from which $x$ follows, and $p$ takes
    part in the decay only as $z$ is averaged into it.

    Args:
        p: the parameter.
        g: its gradient, at the parameter.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean gradient that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        mu_x: share $\mu_x$ of the average $x$ that is kept.
        mu_y: share $\mu_y$ of the average in the parameter, above 0.
        eps: $\epsilon$, added to the root.
        weight_decay: decoupled weight decay $\lambda$, of $z$.

    State variables: `z`, the weights without averaging; `m` and `v`, the running means of the
    gradient and of its square.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import gpa_adamw
        >>> weights = np.ones(3, np.float32)
        >>> learner = gpa_adamw([weights], lr=0.1, mu_x=0.9)
        >>> [learner.update([weights.copy()]) for _ in range(2)]
        [True, True]
        >>> weights.round(4)
        array([0.9197, 0.9197, 0.9197], dtype=float32)
        >>> learner.evaluation_parameters()[0].round(4)
        array([0.971, 0.971, 0.971], dtype=float32)

    References:
        Defazio et al., [Smoothing DiLoCo with Primal Averaging for Faster Training of
        LLMs](https://arxiv.org/abs/2512.17131), 2025.
    """
    z, m, v = state("z", init=p), state("m"), state("v")
    m_new = assign(m, beta1 * m + (1 - beta1) * g)
    v_new = assign(v, beta2 * v + (1 - beta2) * g**2)
    u = let("u", m_new / (1 - beta1**step) / (sqrt(v_new / (1 - beta2**step)) + eps))
    decayed = let("decayed", (1 - lr * weight_decay) * z)
    z_new = assign(z, decayed - lr * u)
    p_new = assign(p, p + (1 - mu_x) * (decayed - p) - lr * (1 - mu_x * mu_y) * u)
    evaluate(average_of(p_new, z_new, mu_y))
    return combine([p_new, z_new])
