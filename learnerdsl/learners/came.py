"""CAME: Adafactor with momentum, weighted by how well it agrees with the steps."""

from learnerdsl import assign, let, maximum, mean, ndim, norm, rule, size, sqrt, state


@rule
def came(
    p,
    g,
    lr=2e-4,
    beta1=0.9,
    beta2=0.999,
    beta3=0.9999,
    eps1=1e-30,
    eps2=1e-16,
    clip_threshold=1.0,
    weight_decay=0.0,
):
    r"""CAME: confidence-guided adaptive memory efficient optimization.

    $$R \leftarrow \beta_2 R + (1 - \beta_2)\, \mathrm{mean}_j (g^2 + \epsilon_1) \qquad
    C \leftarrow \beta_2 C + (1 - \beta_2)\, \mathrm{mean}_i (g^2 + \epsilon_1) \qquad
    u = \frac{g}{\sqrt{R_i C_j / \mathrm{mean}_i R_i}}$$

    $$u \leftarrow \frac{u}{\max(1, \mathrm{rms}(u) / d)} \qquad
    m \leftarrow \beta_1 m + (1 - \beta_1)\, u$$

    $$S \leftarrow \beta_3 S + (1 - \beta_3)\, \mathrm{mean}_j ((u - m)^2 + \epsilon_2) \qquad
    D \leftarrow \beta_3 D + (1 - \beta_3)\, \mathrm{mean}_i ((u - m)^2 + \epsilon_2)$$

    $$p \leftarrow (1 - \eta \lambda) p - \frac{\eta m}{\sqrt{S_i D_j / \mathrm{mean}_i S_i}}$$

    with $i$ and $j$ along the last two axes. Tensors with fewer axes keep the running mean of
    $g^2 + \epsilon_1$ itself and move by $\eta m$. For pre-training language models with large
    batches. It needs little more memory than momentum. Follows the authors' package `came_pytorch`:
    there is no bias correction, so early steps are several times larger.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        beta1: share $\beta_1$ of the mean step $m$ that is kept.
        beta2: share $\beta_2$ of the mean squared gradient that is kept.
        beta3: share $\beta_3$ of the mean squared deviation that is kept.
        eps1: $\epsilon_1$, added to the squared gradient.
        eps2: $\epsilon_2$, added to the squared deviation.
        clip_threshold: $d$, the largest root mean square of $u$.
        weight_decay: decoupled weight decay $\lambda$.

    State variables: `m`, the running mean of $u$; `row` and `col`, those of the squared gradient;
    `deviation_row` and `deviation_col`, those of the squared deviation; for tensors of fewer than
    two axes `v`, the running mean of the squared gradient.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import came
        >>> weights = np.ones((2, 3), np.float32)
        >>> learner = came([weights], lr=0.001)
        >>> learner.update([np.array([[1, 2, 3], [10, 20, -3]], np.float32)])
        True
        >>> weights.round(3)
        array([[0.994, 0.994, 0.988],
               [0.972, 0.972, 1.005]], dtype=float32)

    References:
        Luo et al., [CAME: Confidence-guided Adaptive Memory Efficient
        Optimization](https://arxiv.org/abs/2307.02047), 2023.
    """
    m = state("m")
    if ndim(p) >= 2:
        by_row, by_col = _inverse_roots("", beta2, g**2 + eps1)
        u = let("u", g * by_row * by_col)
    else:
        v = state("v")
        u = let("u", g / sqrt(assign(v, beta2 * v + (1 - beta2) * (g**2 + eps1))))
    u = let("clipped", u / maximum(1, norm(u) / sqrt(size(p)) / clip_threshold))
    direction = m_new = assign(m, beta1 * m + (1 - beta1) * u)
    if ndim(p) >= 2:
        by_row, by_col = _inverse_roots("deviation_", beta3, (u - m_new) ** 2 + eps2)
        direction = m_new * by_row * by_col
    return assign(p, p * (1 - lr * weight_decay) - lr * direction)


def _inverse_roots(name, beta, squares):
    """Update means of squares over rows and columns; return factors that divide by the roots."""
    row, col = state(f"{name}row", shape="rows"), state(f"{name}col", shape="cols")
    row_new = assign(row, beta * row + (1 - beta) * mean(squares, axis=-1))
    col_new = assign(col, beta * col + (1 - beta) * mean(squares, axis=-2))
    by_row = let(f"{name}by_row", sqrt(mean(row_new, axis=-2) / row_new))
    return by_row, let(f"{name}by_col", 1 / sqrt(col_new))
