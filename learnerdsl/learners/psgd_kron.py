"""PSGD-Kron: a preconditioner of two triangular matrices, learned by gradient descent."""

from learnerdsl import (
    abs,
    assign,
    clip,
    combine,
    equal,
    exp,
    identity,
    let,
    matmul,
    max,
    mean,
    minimum,
    ndim,
    norm,
    normal,
    rule,
    sign,
    solve_triangular,
    sqrt,
    state,
    step,
    sum,
    transpose,
    triu,
    where,
)
from learnerdsl.learners._kronecker_parts import SIDES, squares
from learnerdsl.options import whole_from

TINY = 1.17549435e-38


def _lower_bound(s, side):
    """Return a bound below the spectral norm: two steps of power iteration from the longest row."""
    largest = let(f"{side}_largest", max(abs(s), axis=(-2, -1)))
    scaled = let(f"{side}_scaled", s / largest)
    lengths = let(f"{side}_lengths", sum(scaled**2, axis=-1))
    longest = 1 - sign(max(lengths, axis=-2) - lengths)
    x = let(f"{side}_x", matmul(scaled, matmul(scaled, longest)))
    return largest * norm(matmul(scaled, x), axis=(-2, -1)) / norm(x, axis=(-2, -1))


def _is_due(min_prob, prob_decay, flat_start):
    """Return whether the preconditioner learns in this update, and the count since it did."""
    waited = state("waited", shape="tensor")
    probability = clip(exp(-prob_decay * (step - 1 - flat_start)), min_prob, 1)
    due = waited + 1 >= 1 / probability
    return due, assign(waited, where(due, 0, waited + 1))


def _clipped(u, p):
    """Return a step whose root mean square is 1.1 at most."""
    size = mean(u**2) if ndim(p) <= 2 else mean(u**2, axis=(-2, -1))
    return u * minimum(1.1 / (sqrt(size) + 1e-8), 1)


def _learned(q, m_hat, precond_lr, due, balances):
    """Return the factors after a step of gradient descent, where one is due."""
    lengths = [max(abs(factor), axis=(-2, -1)) for factor in q]
    middle = sqrt(lengths[0] * lengths[1])
    now = [
        let(f"{name}_now", where(balances & due, q[k] * (middle / lengths[k]), q[k]))
        for k, name in enumerate(SIDES)
    ]
    # A choice computes one of its branches: nothing of this where no step is due.
    a = let("a", where(due, matmul(matmul(now[0], m_hat), transpose(now[1])), m_hat))
    lower = [let(f"{name}_lower", transpose(now[k])) for k, name in enumerate(SIDES)]
    noise = transpose(normal(shape=("cols", "rows")))
    half = let("half", where(due, solve_triangular(lower[0], noise), m_hat))
    whole = transpose(solve_triangular(lower[1], transpose(half)))
    b = let("b", where(due, whole, m_hat))
    results = []
    for k, (side, x, y) in enumerate((("rows", a, b), ("cols", transpose(a), transpose(b)))):
        none = identity(side)
        of_gradient = let(f"{side}_of_gradient", where(due, matmul(x, transpose(x)), none))
        of_noise = let(f"{side}_of_noise", where(due, matmul(y, transpose(y)), none))
        length = _lower_bound(let(f"{side}_both", of_gradient + of_noise), side) + TINY
        slope = let(f"{side}_slope", triu(of_gradient - of_noise) / length)
        moved = now[k] - precond_lr * matmul(slope, now[k])
        results.append(assign(q[k], where(due, moved, now[k])))
    return results


@rule
def psgd_kron(
    p,
    g,
    lr=1e-3,
    momentum=0.9,
    weight_decay=0.0,
    precond_lr=0.1,
    precond_init_scale=1.0,
    min_prob=0.03,
    prob_decay=1e-3,
    flat_start=500.0,
    balance_every=100,
):
    r"""PSGD-Kron: the momentum, whitened by two triangular matrices that learn to do so.

    $$m \leftarrow \mu m + (1 - \mu)\, g \qquad \hat{m} = \frac{m}{1 - \mu^t} \qquad
    A = Q_L \hat{m}\, Q_R^\top \qquad B = Q_L^{-\top} V Q_R^{-1}, \quad V \sim \mathcal{N}(0, 1)$$

    $$Q_L \leftarrow Q_L - \alpha\,
    \frac{\mathrm{triu}(A A^\top - B B^\top)}{\lVert A A^\top + B B^\top \rVert}\, Q_L \qquad
    Q_R \leftarrow Q_R - \alpha\,
    \frac{\mathrm{triu}(A^\top A - B^\top B)}{\lVert A^\top A + B^\top B \rVert}\, Q_R$$

    $$u = Q_L^\top Q_L\, \hat{m}\, Q_R^\top Q_R \qquad
    p \leftarrow (1 - \eta\lambda)\, p - \eta \min\left(1, \frac{1.1}{\mathrm{rms}\, u}\right) u$$

    where the spectral norms are estimated from below. $Q$ learns in each of the first 500 updates,
    and then more and more rarely: when $1 / \pi_t$ updates have passed since it did last, with
    $\pi_t = \min(1, \max(0.03, e^{-0.001 (t - 501)}))$. For matrices with at most some thousand
    rows and columns, such as those of language models: no eigenvalues and no roots, only products
    and triangular systems, and in few of the updates. It takes some hundred updates until $Q$
    fits, so it gains little in short runs. Follows `timm.optim.Kron`, a form of `kron_torch`, but
    that the two largest entries of $Q_L$ and $Q_R$ are made alike every 100 updates and not by
    chance, that all sides have triangular matrices (there, not those longer than 2048), and with
    random numbers of another generator. Vectors have a diagonal $Q$. Tensors of more than two axes,
    which have a $Q$ for each axis there, are stacks of matrices.

    Args:
        p: the parameter.
        g: its gradient.
        lr: learning rate $\eta$.
        momentum: share $\mu$ of the mean gradient that is kept.
        weight_decay: decoupled weight decay $\lambda$.
        precond_lr: learning rate $\alpha$ of $Q$.
        precond_init_scale: what $Q_L \otimes Q_R$ starts with on its diagonal.
        min_prob: the least $\pi$, to which it falls.
        prob_decay: how fast $\pi$ falls.
        flat_start: number of updates in which $\pi$ stays 1.
        balance_every: number of updates after which $Q_L$ and $Q_R$ are scaled alike.

    State variables: `m`; `left` and `right`, the factors $Q_L$ and $Q_R$, or `q` of vectors;
        `waited`, the updates since they learned last.

    Example:
        >>> import numpy as np
        >>> from learnerdsl.learners import psgd_kron
        >>> rng, scales = np.random.default_rng(0), np.array([[10.0], [0.1]])
        >>> weights = np.zeros((2, 50))
        >>> learner = psgd_kron([weights], lr=0.1)
        >>> for _ in range(1000):
        ...     before = weights.copy()
        ...     _ = learner.update([scales * rng.standard_normal((2, 50))])
        >>> first, second = np.linalg.norm(weights - before, axis=1)
        >>> bool(0.5 < first / second < 2)  # of gradients, whose rows differ by a factor of 100
        True

    References:
        Li, [Stochastic Hessian Fittings with Lie Groups](https://arxiv.org/abs/2402.11858), 2024;
        Walters, [kron_torch](https://github.com/evanatyourservice/kron_torch), 2024.
    """
    m = state("m")
    m_new = assign(m, momentum * m + (1 - momentum) * g)
    m_hat = let("m_hat", m_new / (1 - momentum**step))
    due, waited = _is_due(min_prob, prob_decay, flat_start)
    if ndim(p) < 2:
        q = state("q", init=precond_init_scale)
        a, b = let("a", q * m_hat), let("b", normal() / q)
        slope = (a**2 - b**2) / (max(a**2 + b**2) + TINY)
        q_new = assign(q, where(due, q - precond_lr * slope * q, q))
        u = let("u", q_new**2 * m_hat)
        factors = [q_new]
    else:
        start = sqrt(precond_init_scale)
        q = squares("", (start * identity("rows"), start * identity("cols")))
        balances = equal(step % whole_from(1, "balance_every", balance_every), 0)
        factors = _learned(q, m_hat, precond_lr, due, balances)
        left, right = (matmul(transpose(factor), factor) for factor in factors)
        u = let("u", matmul(matmul(left, m_hat), right))
    p_new = assign(p, (1 - lr * weight_decay) * p - lr * _clipped(u, p))
    return combine([p_new, waited, *factors])
