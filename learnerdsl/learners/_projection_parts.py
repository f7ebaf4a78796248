"""What rules share that turn or project a matrix by the singular vectors of its shorter side."""

from learnerdsl import eigenvectors, equal, matmul, shape, step, transpose
from learnerdsl.options import whole_from


def is_tall(p):
    """Return whether a matrix has no more columns than rows, so that its right side is turned."""
    rows, cols = shape(p)[-2:]
    return rows >= cols


def is_renewed(update_proj_gap):
    """Return whether an update finds singular vectors: the first does, then one in so many."""
    return equal((step - 1) % whole_from(1, "update_proj_gap", update_proj_gap), 0)


def singular_vectors(x, p):
    """Return the singular vectors of the shorter side as columns, the largest value's first."""
    gram = matmul(transpose(x), x) if is_tall(p) else matmul(x, transpose(x))
    return eigenvectors(gram)


def projected(x, basis, p):
    """Return the coordinates of a matrix in a basis of its shorter side."""
    return matmul(x, basis) if is_tall(p) else matmul(transpose(basis), x)


def projected_back(x, basis, p):
    """Return the matrix that has these coordinates."""
    return matmul(x, transpose(basis)) if is_tall(p) else matmul(basis, x)
