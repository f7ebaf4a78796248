"""Adafactor as torch has it: Adam's second moment kept as one number for each row and column."""

from sympy import Rational

from learnerdsl import (
    abs,
    assign,
    equal,
    let,
    maximum,
    mean,
    minimum,
    ndim,
    norm,
    rule,
    size,
    sqrt,
    state,
    step,
    where,
)


@rule
def adafactor(p, g, lr=1e-2, beta2_decay=-0.8, d=1.0, weight_decay=0.0, eps1=0.0, eps2=1e-3):
    r"""Adafactor: steps like those of Adam, with almost no memory for states.

    $$\rho = \min\left(\eta, \frac{1}{\sqrt{t}}\right) \qquad
    \alpha = \max(\epsilon_2, \mathrm{rms}(p))\, \rho \qquad
    b = t^{\tau}$$

    $$R_i \leftarrow (1 - b) R_i + b\, \mathrm{mean}_j\, g_{ij}^2 \qquad
    C_j \leftarrow (1 - b) C_j + b\, \mathrm{mean}_i\, g_{ij}^2 \qquad
    V_{ij} = \frac{R_i C_j}{\max(\mathrm{mean}_i R_i, \epsilon_1)}$$

    $$u = \frac{g}{\sqrt{\max(V, \epsilon_1^2)}} \qquad
    p \leftarrow (1 - \eta \lambda) p - \frac{\alpha u}{\max(1, \mathrm{rms}(u) / d)}$$

    with $i$ and $j$ along the last two axes; tensors with fewer axes keep the mean $V$ of $g^2$
    itself. For large models, whose memory the optimizer must not double. It has no momentum, and
    the learning rate is relative to the size of the weights, so small weights take small steps.
    Follows `torch.optim.Adafactor`. See `adafactor_optax` for the other convention.

    Args:
        p: the parameter.
        g: its gradient.
        lr: largest learning rate $\eta$, relative to the root mean square of the weights.
        beta2_decay: exponent $\tau$ of the share $b$ of the newest gradient, negative.
        d: largest root mean square of $u$.
        weight_decay: decoupled weight decay $\lambda$.
        eps1: $\epsilon_1$, the least size of mean square and root mean square gradients; 0 means
            the machine epsilon of the parameter's dtype, like None in torch.
        eps2: $\epsilon_2$, the least size of weights for the learning rate.

    State variables: `row` and `col`, running means of the squared gradient along rows and columns;
    for tensors of fewer than two axes `v`, that of each element.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import adafactor
        >>> weights = np.ones((2, 3), np.float32)
        >>> learner = adafactor([weights], lr=0.1)
        >>> learner.update([np.array([[1, 2, 3], [10, 20, -3]], np.float32)])
        True
        >>> weights.round(3)
        array([[0.968, 0.968, 0.774],
               [0.947, 0.947, 1.037]], dtype=float32)
        >>> learner.state[0]["row"].round(1), learner.state[0]["col"].round(1)
        (array([  4.7, 169.7], dtype=float32), array([ 50.5, 202. ,   9. ], dtype=float32))

    References:
        Shazeer and Stern, [Adafactor: Adaptive Learning Rates with Sublinear Memory
        Cost](https://arxiv.org/abs/1804.04235), 2018.
    """
    eps1 = let("least", where(equal(eps1, 0), _machine_epsilon(), eps1))
    alpha = let("alpha", maximum(eps2, norm(p) / sqrt(size(p))) * minimum(lr, 1 / sqrt(step)))
    b = let("b", step**beta2_decay)
    if ndim(p) >= 2:
        row, col = state("row", shape="rows"), state("col", shape="cols")
        row_new = assign(row, row + b * (mean(g**2, axis=-1) - row))
        col_new = assign(col, col + b * (mean(g**2, axis=-2) - col))
        variance = row_new * col_new / maximum(mean(row_new, axis=-2), eps1)
    else:
        v = state("v")
        variance = assign(v, v + b * (g**2 - v))
    u = let("u", g / sqrt(maximum(variance, eps1**2)))
    clipped = u / maximum(1, norm(u) / sqrt(size(p)) / d)
    return assign(p, p * (1 - lr * weight_decay) - alpha * clipped)


def _machine_epsilon():
    """Return the machine epsilon of the parameter's dtype: three times the rounding error of 4/3.

    1 is subtracted first, because 3 * 4/3 would itself be rounded in float64.
    """
    third = let("third", let("rounded", Rational(4, 3), dtype="parameter") - 1)
    return abs(3 * third - 1)
