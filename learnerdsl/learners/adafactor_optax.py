"""Adafactor in the form of optax, and in that of Big Vision."""

from learnerdsl import assign, let, maximum, mean, norm, rule, shape, size, sqrt, state, step


@rule
def adafactor_optax(
    p,
    g,
    lr=1e-3,
    decay_rate=0.8,
    clipping_threshold=1.0,
    weight_decay=0.0,
    eps=1e-30,
    momentum=0.9,
    min_dim_size_to_factor=128,
    multiply_by_parameter_scale=True,
    use_momentum=False,
):
    r"""Adafactor of optax: the two largest axes are factored, and only where both are large.

    $$\beta = 1 - t^{-\tau} \qquad
    R \leftarrow \beta R + (1 - \beta)\, \mathrm{mean}_j (g^2 + \epsilon) \qquad
    C \leftarrow \beta C + (1 - \beta)\, \mathrm{mean}_i (g^2 + \epsilon) \qquad
    V_{ij} = \frac{R_i C_j}{\mathrm{mean}_i R_i}$$

    $$u = \frac{g}{\sqrt{V}} \qquad
    u \leftarrow \frac{\eta \max(\mathrm{rms}(p), 10^{-3})}{\max(1, \mathrm{rms}(u) / d)}\, u \qquad
    p \leftarrow p - u - \lambda p$$

    with $j$ along the largest axis and $i$ along the second largest (the later one of equals);
    tensors without two large axes keep the mean $V$ of $g^2 + \epsilon$ itself. For large models,
    like `adafactor`. There the rate falls by itself; here it is the given one. Follows
    `optax.adafactor`, whose weight decay is not multiplied by the learning rate.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$, relative to the root mean square of the weights.
        decay_rate: $\tau$, how fast the share $\beta$ of the past approaches 1.
        clipping_threshold: $d$, the largest root mean square of $u$; infinity for none.
        weight_decay: weight decay $\lambda$ of each step, not multiplied by the learning rate.
        eps: $\epsilon$, added to the squared gradient.
        momentum: share of the mean step that is kept, if `use_momentum`.
        min_dim_size_to_factor: least size of both axes for which the second moment is factored.
        multiply_by_parameter_scale: whether the rate is relative to the size of the weights.
        use_momentum: whether steps are running means, which needs memory for each element.

    State variables: `row` and `col`, running means of the squared gradient over the largest and
    the second largest axis, or `v`, that of each element; `m`, the mean step, if `use_momentum`.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adafactor_optax
        >>> weights = np.array([[1, 2, 3]], np.float32)
        >>> learner = adafactor_optax([weights], lr=0.1)
        >>> learner.update([np.array([[10, 0.1, -1]], np.float32)])
        True
        >>> weights.round(3)
        array([[0.784, 1.784, 3.216]], dtype=float32)

    References:
        Shazeer and Stern, [Adafactor: Adaptive Learning Rates with Sublinear Memory
        Cost](https://arxiv.org/abs/1804.04235), 2018.
    """
    b = let("b", step**-decay_rate)
    u = let("u", _normalised(p, g, b, eps, min_dim_size_to_factor))
    rate = lr / maximum(1, norm(u) / sqrt(size(p)) / clipping_threshold)
    if multiply_by_parameter_scale:
        rate *= maximum(norm(p) / sqrt(size(p)), 1e-3)
    u = let("rate", rate) * u
    if use_momentum:
        m = state("m")
        u = assign(m, momentum * m + (1 - momentum) * u)
    return assign(p, p - u - weight_decay * p)


@rule
def adafactor_bv(
    p,
    g,
    lr=1.0,
    decay_rate=0.8,
    beta2_cap=0.999,
    momentum=0.9,
    weight_decay=0.0,
    eps=1e-30,
    min_dim_size_to_factor=16,
):
    r"""Adafactor of Big Vision: with momentum, without clipping or scaling by the parameters.

    $$\beta = \min(\beta_{\max}, 1 - t^{-\tau}) \qquad
    m \leftarrow \mu m + (1 - \mu) \frac{g}{\sqrt{V}} \qquad
    p \leftarrow (1 - \eta \lambda) p - \eta m$$

    with the $V$ of `adafactor_optax`, computed with this $\beta$. For vision transformers, which it
    trains as well as Adam does with half of its memory or less. Follows
    `timm.optim.AdafactorBigVision`, except that $m$ has the parameter's dtype here and is bfloat16
    in timm by default.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        decay_rate: $\tau$, how fast the share $\beta$ of the past approaches 1.
        beta2_cap: $\beta_{\max}$, the largest share of the past.
        momentum: share $\mu$ of the mean step that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        eps: $\epsilon$, added to the squared gradient.
        min_dim_size_to_factor: least size of both axes for which the second moment is factored.

    State variables: `row` and `col`, running means of the squared gradient over the largest and
    the second largest axis, or `v`, that of each element; `m`, the mean step.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adafactor_bv
        >>> weights = np.ones((1, 3), np.float32)
        >>> learner = adafactor_bv([weights], lr=0.1)
        >>> learner.update([weights.copy()])
        True
        >>> weights.round(3)
        array([[0.99, 0.99, 0.99]], dtype=float32)

    References:
        Zhai et al., [Scaling Vision Transformers](https://arxiv.org/abs/2106.04560), 2022.
    """
    b = let("b", maximum(1 - beta2_cap, step**-decay_rate))
    m = state("m")
    u = _normalised(p, g, b, eps, min_dim_size_to_factor)
    m_new = assign(m, momentum * m + (1 - momentum) * u)
    return assign(p, p * (1 - lr * weight_decay) - lr * m_new)


def _normalised(p, g, b, eps, least):
    """Return the gradient over the root of its second moment, factored where two axes are large."""
    sizes = shape(p)
    every = sorted(range(len(sizes)), key=lambda axis: sizes[axis])
    if len(every) < 2 or sizes[every[-2]] < least:
        v = state("v")
        return g / sqrt(assign(v, v + b * (g**2 + eps - v)))
    second, largest = every[-2:]
    row = state("row", shape=tuple(axis for axis in every if axis != largest))
    col = state("col", shape=tuple(axis for axis in every if axis != second))
    row_new = assign(row, row + b * (mean(g**2 + eps, axis=largest) - row))
    col_new = assign(col, col + b * (mean(g**2 + eps, axis=second) - col))
    by_row = let("by_row", sqrt(mean(row_new, axis=second) / row_new))
    return g * by_row * let("by_col", 1 / sqrt(col_new))
