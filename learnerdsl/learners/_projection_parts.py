"""What rules share that turn or project a matrix by the singular vectors of its shorter side."""

from typing import Any

from learnerdsl import (
    assign,
    eigenvectors,
    equal,
    first_columns,
    let,
    matmul,
    maximum,
    ndim,
    shape,
    sqrt,
    state,
    step,
    sum,
    transpose,
    where,
)
from learnerdsl.learners._muon_parts import matrix_norm
from learnerdsl.options import whole_from


def is_tall(p):
    """Return whether a matrix has no more columns than rows, so that its right side is turned."""
    rows, cols = shape(p)[-2:]
    return rows >= cols


def basis_sides(p, rank: Any = None):
    """Return the sides of a basis: the shorter side's, and how many vectors are kept of it."""
    side = "cols" if is_tall(p) else "rows"
    if rank is None or whole_from(1, "rank", rank) >= min(shape(p)[-2:]):
        return side, side
    return side, rank


def coordinate_sides(p, rank):
    """Return the sides of what `projected` gives."""
    _, count = basis_sides(p, rank)
    return ("rows", count) if is_tall(p) else (count, "cols")


def singular_basis(x, p, update_proj_gap, rank: Any = None):
    """Return the update of `basis`: singular vectors of x as columns, the largest value's first.

    They are found in the first update, and then in one of `update_proj_gap`, each with the sign by
    which it points as the one before it: what is kept of coordinates counts on. Without a rank, all
    are kept.
    """
    own = basis_sides(p, rank)
    old = state("basis", shape=own)
    gram = matmul(transpose(x), x) if is_tall(p) else matmul(x, transpose(x))
    found = eigenvectors(gram) if own[0] == own[1] else first_columns(eigenvectors(gram), rank)
    found = found * where(sum(found * old, axis=-2) < 0, -1, 1)
    is_due = equal((step - 1) % whole_from(1, "update_proj_gap", update_proj_gap), 0)
    return assign(old, where(is_due, found, old))


def adam_direction(x, beta1, beta2, eps, sides: Any = "element"):
    """Return m / (sqrt(v) + eps) of Adam, whose moments have the sides of x."""
    m, v = state("m", shape=sides), state("v", shape=sides)
    m_new = assign(m, beta1 * m + (1 - beta1) * x)
    v_new = assign(v, beta2 * v + (1 - beta2) * x**2)
    return m_new / (sqrt(v_new) + eps)


def projected(x, basis, p):
    """Return the coordinates of a matrix in a basis of its shorter side."""
    return matmul(x, basis) if is_tall(p) else matmul(transpose(basis), x)


def projected_back(x, basis, p):
    """Return the matrix that has these coordinates."""
    return matmul(x, transpose(basis)) if is_tall(p) else matmul(basis, x)


def growth_limiter(p, x):
    """Return by what to divide a matrix so that its norm grows by at most 1 % in an update."""
    before = state("length", shape=tuple(range(ndim(p) - 2)))
    length = matrix_norm(x, p)
    growth = where(equal(step, 1), 0, length / (before + 1e-8))
    limiter = let("limiter", maximum(growth, 1.01) / 1.01)
    return limiter, assign(before, length / limiter)
