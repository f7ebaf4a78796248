"""The rule of #33: PSGD, whose preconditioner is two triangular matrices that learn at each step.

They differ from those of `learnerdsl.learners.psgd_kron` in where they start and when they are
balanced, and the step is not clipped: `hyperball` gives it its length.
"""

import learnerdsl as ld
from learnerdsl import assign, let, matmul, norm, sqrt, state, transpose, where

FLOAT32_EPS = 2.0**-23
SIDES = {"left": "rows", "right": "cols"}


def spectral_norm(a, side):
    """Return a bound from below: a step of power iteration from the longest column."""
    scale = let(f"{side}_scale", ld.max(abs(a)))
    scaled = let(f"{side}_scaled", a / scale)
    lengths = let(f"{side}_lengths", ld.sum(scaled**2, axis=-1))
    longest = 1 - ld.sign(ld.max(lengths) - lengths)
    x = let(f"{side}_x", matmul(scaled, matmul(scaled, longest)))
    return scale * norm(matmul(scaled, x)) / norm(x)


@ld.rule
def psgd(p, g, lr=0.025, precond_lr=1.0, momentum=0.95):
    """PSGD that whitens the mean gradient, with noise of its rounding where it learns."""
    m = state("m")
    m_hat = let("m_hat", assign(m, momentum * m + (1 - momentum) * g) / (1 - momentum**ld.step))
    noisy = let("noisy", m_hat + FLOAT32_EPS * abs(m_hat) * ld.normal())
    probe = ld.normal(shape=("rows", "cols"))

    start = ld.maximum(ld.mean(g**4), 1e-24) ** (-1 / 32)
    stored = [state(name, shape=(side, side)) for name, side in SIDES.items()]
    is_first = ld.equal(ld.step, 1)
    q = [
        let(f"{name}_started", where(is_first, start * ld.identity(side), own))
        for (name, side), own in zip(SIDES.items(), stored, strict=True)
    ]
    ratio = let("ratio", sqrt(ld.max(abs(q[1])) / ld.max(abs(q[0]))))
    q = [let("left_balanced", q[0] * ratio), let("right_balanced", q[1] / ratio)]

    a = let("a", matmul(matmul(q[0], noisy), transpose(q[1])))
    half = ld.solve_triangular(transpose(q[0]), probe)
    b = let("b", transpose(ld.solve_triangular(transpose(q[1]), transpose(half))))
    learned = []
    pairs = (a, b), (transpose(a), transpose(b))
    for own, side, (x, y) in zip(q, SIDES.values(), pairs, strict=True):
        up = let(f"{side}_up", matmul(x, transpose(x)))
        down = let(f"{side}_down", matmul(y, transpose(y)))
        slope = ld.triu(up - down) / spectral_norm(let(f"{side}_both", up + down), side)
        learned.append(own - precond_lr * matmul(let(f"{side}_slope", slope), own))

    left, right = (assign(old, new) for old, new in zip(stored, learned, strict=True))
    u = matmul(matmul(transpose(left), left), matmul(m_hat, matmul(transpose(right), right)))
    return ld.combine([assign(p, p - lr * u), left, right])
