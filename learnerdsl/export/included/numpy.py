"""Random numbers and functions of matrices in NumPy."""

import numpy as np


def philox(p, stream, seed, step, number):
    """Return four arrays of random 32-bit words for the elements of p (Philox4x32-10)."""
    word, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    position = np.arange(p.size, dtype=np.uint64).reshape(p.shape)
    key = [seed & 0xFFFFFFFF, seed >> 32]
    a = position & word
    b = (position >> shift) | np.uint64(stream << 16)
    c = np.full_like(position, step & 0xFFFFFFFF)
    d = np.full_like(position, number)
    for _ in range(10):
        first, second = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a = (second >> shift) ^ b ^ np.uint64(key[0])
        b = second & word
        c = (first >> shift) ^ d ^ np.uint64(key[1])
        d = first & word
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return a, b, c, d


def fraction(high, low):
    """Return numbers from [0, 1) with the bits of two arrays of 32-bit words."""
    return ((high << np.uint64(21)) ^ (low >> np.uint64(11))) * 2.0**-53


def uniform(p, stream, seed, step, number):
    """Return random numbers from [0, 1) with the shape and dtype of p."""
    a, b, _, _ = philox(p, stream, seed, step, number)
    if p.dtype == np.float32:
        return (a >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    return fraction(a, b).astype(p.dtype)


def normal(p, stream, seed, step, number):
    """Return standard normal random numbers with the shape and dtype of p (Box and Muller)."""
    a, b, c, d = philox(p, stream, seed, step, number)
    radius = np.sqrt(-2.0 * np.log(1.0 - fraction(a, b)))
    return np.asarray(radius * np.cos(2.0 * np.pi * fraction(c, d)), dtype=p.dtype)


def along(p, *axes):
    """Return an array of float64 over some axes of p, whose values do not count."""
    kept = {axis % p.ndim for axis in axes}
    return np.empty([n if k in kept else 1 for k, n in enumerate(p.shape)])


def empty(p, rows, cols):
    """Return matrices of another size beside those of p, whose values do not count."""
    return np.empty((*p.shape[:-2], rows, cols), p.dtype)


def eigh(a):
    """Return eigenvalues and eigenvectors of symmetric matrices; NaN for those with NaN."""
    is_finite = np.isfinite(a).all((-2, -1))[..., None]
    roots, vectors = np.linalg.eigh(np.where(is_finite[..., None], a, 0.0))
    return np.where(is_finite, roots, np.nan), np.where(is_finite[..., None], vectors, np.nan)


def eigenvectors(a):
    """Return the eigenvectors of symmetric matrices as columns, largest eigenvalue first."""
    return np.flip(eigh(a)[1], -1).astype(a.dtype)


def inverse_root(a, order):
    """Return a**(-1/order) of symmetric matrices; no eigenvalue counts as less than rounding."""
    roots, vectors = eigh(a)
    least = np.finfo(a.dtype).eps * np.max(np.abs(roots), -1, keepdims=True)
    powers = np.maximum(roots, least) ** (-1.0 / order)
    return ((vectors * powers[..., None, :]) @ vectors.mT).astype(a.dtype)


def reduced(a, kind, axes):
    """Return a reduction of matrices, which keeps the axes; the norm is the root of a sum."""
    axes = tuple(range(-a.ndim, 0)) if axes is None else axes
    if kind in ("max", "min"):
        start = -np.inf if kind == "max" else np.inf
        return getattr(np, kind)(a, axis=axes, keepdims=True, initial=start)
    if kind == "norm":
        return np.sqrt(np.square(a, dtype=np.float64).sum(axes, keepdims=True)).astype(a.dtype)
    return getattr(np, kind)(a, axis=axes, keepdims=True, dtype=np.float64).astype(a.dtype)


def known(result, *operands):
    """Return a result that is NaN where it, or an operand, is not finite."""
    is_known = True
    for matrices in (*operands, result):
        is_known = is_known & np.isfinite(matrices).all((-2, -1), keepdims=True)
    return np.where(is_known, result, np.asarray(np.nan, result.dtype))


def orthonormal(a):
    """Return an orthonormal basis of the columns; those after the first n are 0."""
    basis = np.linalg.qr(a)[0]
    more = np.zeros_like(a[..., basis.shape[-1] :])
    return known(np.concatenate([basis, more], -1), a)


def each(function, *operands):
    """Apply a function to stacks of matrices; NaN for those for which it raises."""
    try:
        finite = np.isfinite(operands[0]).all((-2, -1), keepdims=True)
        safe = np.where(finite, operands[0], np.zeros_like(operands[0]))
        return known(function(safe, *operands[1:]), *operands)
    except np.linalg.LinAlgError:
        if operands[0].ndim == 2:
            return np.full_like(operands[-1], np.nan)
    return np.stack([each(function, *own) for own in zip(*operands, strict=True)])


def inverse(a):
    """Return inverses; NaN for matrices that are singular or not finite."""
    return each(np.linalg.inv, a)


def cholesky(a):
    """Return lower triangular factors; NaN where a matrix is not positive definite."""
    return each(np.linalg.cholesky, a)


def solve(a, b):
    """Return the solutions X of A X = B; NaN where A is singular."""
    return each(np.linalg.solve, a, b)


def solve_triangular(a, b, lower):
    """Return the solutions X of A X = B, where A is triangular."""
    return solve(np.tril(a) if lower else np.triu(a), b)


def eigenvalues(a):
    """Return the eigenvalues of symmetric matrices as columns, the largest first."""
    return np.flip(eigh(a)[0], -1)[..., None].astype(a.dtype)


def diagonal(a):
    """Return diagonals (..., n, 1)."""
    return np.diagonal(a, 0, -2, -1)[..., None]


def diagonal_matrix(v):
    """Return diagonal matrices of columns (..., n, 1)."""
    return np.where(np.eye(v.shape[-2], dtype=bool), v, np.zeros_like(v))


def first_columns(a, count):
    """Return the first columns (..., n, count); those that there are not are 0."""
    more = max(0, count - a.shape[-1])
    return np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, more)])[..., :count]


def top_rows(scores, count=None):
    """Return the numbers of the largest scores as columns, the largest first; NaN is largest."""
    order = np.argsort(scores[..., ::-1, 0], axis=-1, kind="stable")[..., ::-1]
    return (scores.shape[-2] - 1 - order[..., :count, None]).astype(scores.dtype)


def places_of(indices, rows):
    """Return the places of rows, and one after the last for those that there are not."""
    return np.where((indices >= 0) & (indices < rows), indices, rows).astype(int)


def with_row(a, value, outer):
    """Return matrices with one more row, which is filled with a number."""
    a = np.broadcast_to(a, (*outer, *a.shape[-2:]))
    return np.concatenate([a, np.full_like(a, value, shape=(*outer, 1, a.shape[-1]))], -2)


def take_rows(a, indices):
    """Return rows of matrices; NaN for those that there are not."""
    own = with_row(a, np.nan, indices.shape[:-2])
    return np.take_along_axis(own, places_of(indices, a.shape[-2]), -2)


def put_rows(a, indices, rows):
    """Return matrices with other rows; those for rows that there are not are left out."""
    own = with_row(a, 0, indices.shape[:-2])
    np.put_along_axis(own, places_of(indices, a.shape[-2]), rows, -2)
    return own[..., :-1, :]
