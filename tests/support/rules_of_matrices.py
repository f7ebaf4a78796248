"""Rules that work on whole matrices, for several tests, and a run of them."""

import numpy as np

import learnerdsl as ld


def run(rule, shapes, dtype="float64", backend="cpu", steps=4, bad_at=None, **settings):
    """Parameters and states after some updates; a gradient may hold NaN at one of them."""
    rng = np.random.default_rng(0)
    params = [np.array(rng.standard_normal(s), dtype) for s in shapes]
    learner = rule(params, backend=backend, **settings)
    for step in range(steps):
        gradients = [np.array(rng.standard_normal(s), dtype) for s in shapes]
        if step == bad_at:
            gradients[0].flat[0] = np.nan
        learner.update(gradients)
    return [*params, *(a for s in learner.state.values() for a in s.values())]


@ld.rule
def preconditioned(p, g, lr=0.1, every=2):
    """Square states of both sides, roots of them in every other step."""
    left = ld.state("left", init=1e-3 * ld.identity("rows"), shape=("rows", "rows"))
    right = ld.state("right", init=1e-3 * ld.identity("cols"), shape=("cols", "cols"))
    left_root = ld.state("left_root", shape=("rows", "rows"))
    right_root = ld.state("right_root", init=ld.identity("cols"), shape=("cols", "cols"))
    left_new = ld.assign(left, left + ld.matmul(g, ld.transpose(g)))
    right_new = ld.assign(right, right + ld.matmul(ld.transpose(g), g))
    now = ld.equal((ld.step - 1) % every, 0)
    a = ld.assign(left_root, ld.where(now, ld.inverse_root(left_new, 4), left_root))
    b = ld.assign(right_root, ld.where(now, ld.inverse_root(right_new, 4), right_root))
    return ld.assign(p, p - lr * ld.matmul(ld.matmul(a, g), b))


@ld.rule
def newton_schulz(p, g, lr=0.1):
    """A chain of products after a reduction, with arithmetic between them."""
    x = ld.let("x_0", g / (ld.norm(g) + 1e-7))
    for k in range(1, 4):
        gram = ld.let(f"gram_{k}", ld.matmul(x, ld.transpose(x)))
        x = ld.let(f"x_{k}", 1.5 * x - ld.matmul(gram, x) / 2)
    return ld.assign(p, p - lr * x)


@ld.rule
def barriers(p, g, lr=0.1):
    """Products, then reductions of them over rows, the tensor and the model, then products."""
    m, rows = ld.state("m"), ld.state("rows", shape="rows")
    x = ld.let("x", ld.matmul(ld.matmul(g, ld.transpose(g)), g))
    rows_new = ld.assign(rows, 0.9 * rows + ld.mean(x**2, axis=-1) + 1e-3)
    m_new = ld.assign(m, 0.9 * m + x / ld.sqrt(rows_new) + ld.exp(-ld.abs(x)))
    y = ld.let("y", m_new / (1 + ld.norm(x) + ld.max(ld.abs(x), over="model")))
    z = ld.let("z", ld.where((y > 0) & (g > 0) | (p < 0), y, ld.maximum(y, 0.1, -y)))
    return ld.assign(p, p - lr * ld.matmul(ld.matmul(z, ld.transpose(y)), p) / (1 + ld.norm(z)))


@ld.rule
def bound_to_passes(p, g, lr=0.1):
    """Vectors and random numbers among the operands, which only passes know."""
    rows, cols = ld.norm(g, axis=-1) + 1, ld.mean(g**2, axis=-2) + 1
    x = ld.let("x", ld.matmul(g, ld.transpose(g / cols)))
    y = ld.let("y", ld.matmul(x, p))
    z = ld.let("z", ld.matmul(ld.transpose(y / rows), y + ld.normal()))
    w = ld.matmul(ld.matmul(y, z) / cols + ld.uniform(), ld.matmul(ld.transpose(p / cols), y))
    return ld.assign(p, p - lr * w / (1 + ld.norm(w)))


@ld.rule
def scaled(p, g, lr=0.1, keep=0.9):
    """Square matrices that meet hyperparameters, the clock, sizes and reductions."""
    left = ld.state("left", init=keep * ld.identity("rows"), shape=("rows", "rows"))
    grown = keep * left + (1 - keep) / (1 - keep**ld.step) * ld.matmul(g, ld.transpose(g))
    left_new = ld.assign(left, grown + ld.size(p) * ld.identity("rows"))
    root = ld.inverse_root(left_new / (1 + ld.norm(g)), 2)
    return ld.assign(p, p - lr * ld.matmul(root, ld.sqrt(ld.abs(g))))


@ld.rule
def noisy(p, g, lr=0.1):
    """Random operands."""
    x = ld.matmul(ld.normal(), ld.transpose(g + ld.uniform()))
    return ld.assign(p, p - lr * ld.matmul(x, g))


@ld.rule
def from_first(p, g, lr=0.1):
    """A state that starts from the first gradient, old and new in one product."""
    m = ld.state("m", init=g)
    m_new = ld.assign(m, 0.9 * m + 0.1 * g)
    return ld.assign(p, p - lr * ld.matmul(ld.matmul(m, ld.transpose(m_new)), m))


RULES = [preconditioned, newton_schulz, barriers, bound_to_passes, scaled, noisy, from_first]


@ld.rule
def low_rank(p, g, lr=0.1, rank=2):
    """States of any sides, norms of rows and columns of their products, and what is chosen."""
    q = ld.state("q", init=1.0, shape=("cols", rank))
    s = ld.state("s", init=ld.identity(rank) / 2, shape=ld.sides(rank, rank))
    c = ld.state("c", shape=("rows", 1))
    m = ld.state("m")
    b = ld.let("b", m + g)
    left = ld.let("left", ld.matmul(b, q))
    left = ld.let("scaled", left / (ld.norm(left, axis=-2) + 1e-3))
    right = ld.let("right", ld.matmul(ld.transpose(b), left))
    q_new = ld.assign(q, right / (ld.max(ld.abs(right), axis=-2) + 1e-3) + 0.1)
    s_new = ld.assign(s, 0.9 * s + ld.matmul(ld.transpose(left), left))
    largest = ld.max(ld.abs(left), axis=-1)
    c_new = ld.assign(c, ld.where(ld.equal(ld.step % 2, 0), largest, ld.mean(left, axis=-1)))
    u = ld.let("u", ld.matmul(ld.matmul(left, s_new), ld.transpose(q_new)))
    p_new = ld.assign(p, p - lr * u / (1 + ld.norm(q_new)) - lr * c_new * g / (1 + ld.norm(u)))
    return ld.combine([ld.assign(m, b - 0.05 * u), p_new])


@ld.rule
def joined_sides(p, g, lr=0.1):
    """Matrices of other sides that meet elements, vectors, random numbers and each other."""
    c, r = ld.state("c", shape=("rows", 1)), ld.state("r", init=1.0, shape=(1, "cols"))
    one = ld.state("one", init=2.0, shape=ld.sides(1, 1))
    m = ld.state("m", shape=("rows", "cols"))
    x = ld.matmul(g, ld.transpose(g))
    c_new = ld.assign(c, 0.5 * c + ld.sum(x, axis=-1) / ld.size(x, axis=-1))
    r_new = ld.assign(r, ld.where(r > 0.5, 0.9 * r, 1) + ld.mean(ld.matmul(p, ld.transpose(p))))
    one_new = ld.assign(one, ld.where(ld.any(c_new > 1), one / 2, ld.min(c_new, axis=(-2, -1))))
    noise = g * c_new * ld.mean(g**2, axis=-1) + ld.normal() * r_new
    m_new = ld.assign(m, 0.5 * m + ld.where(g * c_new > 0, noise, c_new * r_new))
    return ld.assign(p, p - lr * m_new / (1 + ld.norm(m_new)) * ld.minimum(one_new, 3, c_new))


OF_SIDES = [low_rank, joined_sides]
"""Rules with matrices that do not have the parameter's shape and are not square."""


@ld.rule
def sketched(p, g, lr=0.1, every=2, rank=3):
    """A state that starts at random, and a projection that is drawn anew every other step."""
    q = ld.state("q", init=ld.normal(shape=("cols", rank)), shape=("cols", rank))
    s = ld.state("s", shape=("rows", rank))
    now = ld.equal((ld.step - 1) % every, 0)
    s_new = ld.assign(s, ld.where(now, ld.uniform(shape=("rows", rank)), s))
    q_new = ld.assign(q, q + 0.1 * ld.matmul(ld.transpose(g), s_new))
    kicked = lr * ld.normal(shape=("rows", 1)) + lr * ld.normal()
    return ld.assign(p, p - lr * ld.matmul(ld.matmul(g, q), ld.transpose(q_new)) - kicked)
