"""L-BFGS, Newton's method with a Hessian from the last gradients, in two sweeps over memory."""

from builtins import sum as total

from learnerdsl import abs, assign, combine, equal, let, minimum, rule, state, step, sum, where
from learnerdsl.options import whole_from

LEAST = 1e-10
"""A pair whose product is not larger says nothing about curvature, as in PyTorch."""


@rule
def lbfgs(p, g, lr=1.0, history_size=10):
    r"""L-BFGS: Newton's method with an inverse Hessian from the last steps and gradients.

    $$s_k = x_{t-k} - x_{t-k-1} \qquad y_k = g_{t-k} - g_{t-k-1} \qquad
    \rho_k = \frac{1}{s_k \cdot y_k} \qquad k = 0, \dots, n - 1$$

    $$q \leftarrow g; \quad \text{newest first:} \quad
    \alpha_k \leftarrow \rho_k\, s_k \cdot q, \quad q \leftarrow q - \alpha_k y_k$$

    $$r \leftarrow \frac{s_0 \cdot y_0}{y_0 \cdot y_0}\, q; \quad \text{oldest first:} \quad
    r \leftarrow r + (\alpha_k - \rho_k\, y_k \cdot r)\, s_k \qquad x \leftarrow x - \eta\, r$$

    The dot products are over all parameters. For models whose whole loss is computed in each
    update, such as fits, physics-informed networks and fine-tuning of a few weights, where it
    converges in far fewer updates than methods of first order; give it gradients of the same data
    each time. A poor choice for minibatches, whose noise enters $y$. It does no line search: lower
    the rate if the loss rises. $2n$ arrays are stored.

    Follows `torch.optim.LBFGS(max_iter=1)`: the first step is $\eta \min(1, 1 / \sum |g|)\, g$, and
    $\rho_k = 0$ where $s_k \cdot y_k$ is at most $10^{-10}$. Such a pair is kept here, without
    effect, until it is the oldest; PyTorch does not store it. All dot products of an update are
    taken in one sweep, and the two loops run on them as on numbers (Chen et al.), so that an array
    is read twice.

    Args:
        p: the parameter $x$.
        g: its gradient.
        lr: learning rate $\eta$.
        history_size: number $n$ of steps and differences of gradients that are kept.

    State variables: `previous`, the last gradient; `s_1` to `s_n` and `y_1` to `y_(n-1)`, the last
    steps and differences of gradients; `scale`, the factor of $q$; `sy_i_k` and `yy_i_k`, the dot
    products of those that are kept.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import lbfgs
        >>> hessian = np.array([[10.0, 3.0], [3.0, 1.0]])
        >>> weights = np.array([1.0, 1.0])
        >>> learner = lbfgs([weights])
        >>> for _ in range(12):
        ...     _ = learner.update([hessian @ weights])
        >>> bool(np.abs(weights).max() < 1e-6)
        True

    References:
        Liu and Nocedal, [On the limited memory BFGS method for large scale
        optimization](https://doi.org/10.1007/BF01589116), 1989; Chen et al., [Large-scale L-BFGS
        using MapReduce](https://papers.nips.cc/paper/5333), 2014.
    """
    count = whole_from(1, "history_size", history_size)
    previous, scale = state("previous"), state("scale", init=1, shape="model")
    past_s = state("s", ring=count)
    y_new = let("y_new", where(equal(step, 1), 0, g - previous))
    s, y = [past_s[k + 1] for k in range(count)], [y_new]
    lines = [assign(previous, g)]
    if count > 1:
        past_y = state("y", ring=count - 1)
        y += [past_y[k] for k in range(1, count)]
        lines.append(assign(past_y, y_new))
    sy, yy = _products("sy", s, y_new, lines), _products("yy", y, y_new, lines)
    scale_new = assign(scale, where(sy[0, 0] > LEAST, sy[0, 0] / yy[0, 0], scale))
    of_s, of_y = _loops(g, (s, y), (sy, yy), scale_new)
    r = scale_new * (g - _combined(of_y, y)) + _combined(of_s, s)
    rate = where(equal(step, 1), lr * minimum(1, 1 / sum(abs(g), over="model")), lr)
    moved = let("s_new", -rate * r)
    return combine([assign(p, p + moved), assign(past_s, moved), scale_new, *lines])


def _products(name, first, y_new, lines):
    """Return (i, k) -> the dot product of first[i] and y[k], for i >= k, and add what keeps them.

    Those of the new y are computed. The others are those of the last update, one number on.
    """
    count = len(first)
    found = {}
    for i in range(count):
        found[i, 0] = let(f"{name}_{i}_0", sum(first[i] * y_new, over="model"))
        for k in range(1, i + 1):
            found[i, k] = state(f"{name}_{i}_{k}", shape="model")
    lines += [assign(kept, found[i - 1, k - 1]) for (i, k), kept in found.items() if k > 0]
    return found


def _loops(g, pairs, products, scale):
    """Run the two loops on dot products; return the weights of the steps and of the differences."""
    (s, y), (sy, yy) = pairs, products
    numbers = range(len(s))
    rho = [where(sy[k, k] > LEAST, 1 / sy[k, k], 0) for k in numbers]
    alpha, weight = {}, {}
    for k in numbers:
        dot = sum(s[k] * g, over="model") - total(alpha[i] * sy[k, i] for i in range(k))
        alpha[k] = let(f"alpha_{k}", rho[k] * dot)
    for k in reversed(numbers):
        q = sum(y[k] * g, over="model")
        q -= total(alpha[i] * yy[max(i, k), min(i, k)] for i in numbers)
        dot = scale * q + total(weight[i] * sy[i, k] for i in weight)
        weight[k] = let(f"weight_{k}", alpha[k] - rho[k] * dot)
    return weight, alpha


def _combined(weights, arrays):
    """Return a weighted sum of arrays."""
    return total(weights[k] * array for k, array in enumerate(arrays))
