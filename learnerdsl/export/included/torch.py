"""Random numbers and functions of matrices in PyTorch."""

import math

import torch


def philox(p, stream, seed, step, number):
    """Return four tensors of random 32-bit words for the elements of p (Philox4x32-10)."""
    word = 0xFFFFFFFF
    position = torch.arange(p.numel(), device=p.device).reshape(p.shape)
    key = [seed & word, seed >> 32]
    a = position & word
    b = (position >> 32) | (stream << 16)
    c = torch.full_like(position, step & word)
    d = torch.full_like(position, number)
    for _ in range(10):
        first, second = a * 0xD2511F53, c * 0xCD9E8D57
        a = ((second >> 32) & word) ^ b ^ key[0]
        b = second & word
        c = ((first >> 32) & word) ^ d ^ key[1]
        d = first & word
        key = [(key[0] + 0x9E3779B9) & word, (key[1] + 0xBB67AE85) & word]
    return a, b, c, d


def fraction(high, low):
    """Return numbers from [0, 1) with the bits of two tensors of 32-bit words."""
    return ((high << 21) ^ (low >> 11)).double() * 2.0**-53


def uniform(p, stream, seed, step, number):
    """Return random numbers from [0, 1) with the shape and dtype of p."""
    a, b, _, _ = philox(p, stream, seed, step, number)
    if p.dtype == torch.float32:
        return (a >> 8).float() * 2.0**-24
    return fraction(a, b).to(p.dtype)


def normal(p, stream, seed, step, number):
    """Return standard normal random numbers with the shape and dtype of p (Box and Muller)."""
    a, b, c, d = philox(p, stream, seed, step, number)
    radius = torch.sqrt(-2.0 * torch.log(1.0 - fraction(a, b)))
    return (radius * torch.cos(2.0 * math.pi * fraction(c, d))).to(p.dtype)


def along(p, *axes):
    """Return an array of float64 over some axes of p, whose values do not count."""
    kept = {axis % p.ndim for axis in axes}
    shape = [n if k in kept else 1 for k, n in enumerate(p.shape)]
    return p.new_empty(shape, dtype=torch.float64)


def empty(p, rows, cols):
    """Return matrices of another size beside those of p, whose values do not count."""
    return p.new_empty((*p.shape[:-2], rows, cols))


def eigh(a):
    """Return eigenvalues and eigenvectors of symmetric matrices; NaN for those with NaN."""
    is_finite = torch.isfinite(a).all(-1).all(-1)[..., None]
    roots, vectors = torch.linalg.eigh(torch.where(is_finite[..., None], a, 0.0))
    nan = float("nan")
    return torch.where(is_finite, roots, nan), torch.where(is_finite[..., None], vectors, nan)


def eigenvectors(a):
    """Return the eigenvectors of symmetric matrices as columns, largest eigenvalue first."""
    return torch.flip(eigh(a)[1], (-1,))


def inverse_root(a, order):
    """Return a**(-1/order) of symmetric matrices; no eigenvalue counts as less than rounding."""
    roots, vectors = eigh(a)
    least = torch.finfo(a.dtype).eps * torch.amax(torch.abs(roots), -1, keepdim=True)
    powers = torch.maximum(roots, least) ** (-1.0 / order)
    return (vectors * powers[..., None, :]) @ vectors.mT


def reduced(a, kind, axes):
    """Return a reduction of matrices, which keeps the axes; sums are in float64."""
    axes = tuple(range(-a.ndim, 0)) if axes is None else axes
    if kind in ("max", "min"):
        return (a.amax if kind == "max" else a.amin)(axes, keepdim=True)
    wide = a.double()
    if kind == "prod":
        for axis in axes:
            wide = wide.prod(axis, keepdim=True)
        return wide.to(a.dtype)
    if kind == "norm":
        return wide.square().sum(axes, keepdim=True).sqrt().to(a.dtype)
    return (wide.mean if kind == "mean" else wide.sum)(axes, keepdim=True).to(a.dtype)


def known(result, *operands):
    """Return a result that is NaN where it, or an operand, is not finite."""
    is_known = torch.isfinite(result).all(-1, keepdim=True).all(-2, keepdim=True)
    for matrices in operands:
        is_known = is_known & torch.isfinite(matrices).all(-1, keepdim=True).all(-2, keepdim=True)
    return torch.where(is_known, result, float("nan"))


def orthonormal(a):
    """Return an orthonormal basis of the columns; those after the first n are 0."""
    basis = torch.linalg.qr(a)[0]
    more = torch.zeros_like(a[..., basis.shape[-1] :])
    return known(torch.cat([basis, more], -1), a)


def inverse(a):
    """Return inverses; NaN for matrices that are singular or not finite."""
    result, info = torch.linalg.inv_ex(a)
    return known(torch.where((info == 0)[..., None, None], result, float("nan")), a)


def cholesky(a):
    """Return lower triangular factors; NaN where a matrix is not positive definite."""
    result, info = torch.linalg.cholesky_ex(a)
    return known(torch.where((info == 0)[..., None, None], result, float("nan")), a)


def solve(a, b):
    """Return the solutions X of A X = B; NaN where A is singular."""
    result, info = torch.linalg.solve_ex(a, b)
    return known(torch.where((info == 0)[..., None, None], result, float("nan")), a, b)


def solve_triangular(a, b, lower):
    """Return the solutions X of A X = B, where A is triangular."""
    a = a.tril() if lower else a.triu()
    return known(torch.linalg.solve_triangular(a, b, upper=not lower), a, b)


def eigenvalues(a):
    """Return the eigenvalues of symmetric matrices as columns, the largest first."""
    return torch.flip(eigh(a)[0], (-1,))[..., None]


def diagonal(a):
    """Return diagonals (..., n, 1)."""
    return a.diagonal(0, -2, -1)[..., None]


def diagonal_matrix(v):
    """Return diagonal matrices of columns (..., n, 1)."""
    return torch.diag_embed(v[..., 0])


def first_columns(a, count):
    """Return the first columns (..., n, count); those that there are not are 0."""
    more = max(0, count - a.shape[-1])
    return torch.nn.functional.pad(a, (0, more))[..., :count]


def top_rows(scores, count=None):
    """Return the numbers of the largest scores as columns, the largest first; NaN is largest."""
    order = torch.argsort(scores[..., 0] + 0.0, dim=-1, descending=True, stable=True)
    return order[..., :count, None].to(scores.dtype)


def places_of(indices, a):
    """Return the places of rows, and one after the last for those that there are not."""
    rows = a.shape[-2]
    places = torch.where((indices >= 0) & (indices < rows), indices, rows).long()
    return places.expand(*places.shape[:-1], a.shape[-1])


def with_row(a, value, outer):
    """Return matrices with one more row, which is filled with a number."""
    a = a.expand(*outer, *a.shape[-2:])
    return torch.cat([a, a.new_full((*outer, 1, a.shape[-1]), value)], -2)


def take_rows(a, indices):
    """Return rows of matrices; NaN for those that there are not."""
    own = with_row(a, float("nan"), indices.shape[:-2])
    return own.gather(-2, places_of(indices, a))


def put_rows(a, indices, rows):
    """Return matrices with other rows; those for rows that there are not are left out."""
    own = with_row(a, 0.0, indices.shape[:-2])
    places = places_of(indices, a)
    return own.scatter(-2, places, rows.expand(places.shape))[..., :-1, :]
