"""Exact scalars, random numbers and functions of matrices in JAX."""

import math

import jax
import jax.numpy as jnp


def one_minus_power(base, exponent):
    """Return 1 - base**exponent without cancellation; numbers of Python count as float64."""
    is_number = isinstance(base, (int, float))
    log = (math.log(base) if base > 0 else -math.inf) if is_number else jnp.log(base)
    return -jnp.expm1(exponent * log)


def key_of(stream, seed, step, number):
    """Return a key of JAX for one draw of a tensor in one update."""
    key = jax.random.fold_in(jax.random.key(seed), stream)
    return jax.random.fold_in(jax.random.fold_in(key, number), step.astype(int))


def uniform(p, stream, seed, step, number):
    """Return random numbers from [0, 1) with the shape and dtype of p."""
    return jax.random.uniform(key_of(stream, seed, step, number), p.shape, p.dtype)


def normal(p, stream, seed, step, number):
    """Return standard normal random numbers with the shape and dtype of p."""
    return jax.random.normal(key_of(stream, seed, step, number), p.shape, p.dtype)


def eigh(a):
    """Return eigenvalues and eigenvectors of symmetric matrices; NaN for those with NaN."""
    is_finite = jnp.isfinite(a).all((-2, -1))[..., None]
    roots, vectors = jnp.linalg.eigh(jnp.where(is_finite[..., None], a, 0.0))
    return jnp.where(is_finite, roots, jnp.nan), jnp.where(is_finite[..., None], vectors, jnp.nan)


def eigenvectors(a):
    """Return the eigenvectors of symmetric matrices as columns, largest eigenvalue first."""
    return jnp.flip(eigh(a)[1], -1)


def inverse_root(a, order):
    """Return a**(-1/order) of symmetric matrices; no eigenvalue counts as less than rounding."""
    roots, vectors = eigh(a)
    least = jnp.finfo(a.dtype).eps * jnp.max(jnp.abs(roots), -1, keepdims=True)
    powers = jnp.maximum(roots, least) ** (-1.0 / order)
    return (vectors * powers[..., None, :]) @ vectors.mT


def along(p, *axes):
    """Return an array over some axes of p, whose values do not count."""
    kept = {axis % p.ndim for axis in axes}
    return jnp.empty([n if k in kept else 1 for k, n in enumerate(p.shape)], p.dtype)


def empty(p, rows, cols):
    """Return matrices of another size beside those of p, whose values do not count."""
    return jnp.empty((*p.shape[:-2], rows, cols), p.dtype)


def reduced(a, kind, axes):
    """Return a reduction of matrices, which keeps the axes; the norm is the root of a sum."""
    axes = tuple(range(-a.ndim, 0)) if axes is None else axes
    if kind in ("max", "min"):
        start = -jnp.inf if kind == "max" else jnp.inf
        return getattr(jnp, kind)(a, axis=axes, keepdims=True, initial=start)
    if kind == "norm":
        return jnp.sqrt(reduced(jnp.square(a), "sum", axes))
    return getattr(jnp, kind)(a, axis=axes, keepdims=True)


def known(result, *operands):
    """Return a result that is NaN where it, or an operand, is not finite."""
    is_known = True
    for matrices in (*operands, result):
        is_known = is_known & jnp.isfinite(matrices).all((-2, -1), keepdims=True)
    return jnp.where(is_known, result, jnp.nan)


def orthonormal(a):
    """Return an orthonormal basis of the columns; those after the first n are 0."""
    basis = jnp.linalg.qr(a)[0]
    more = jnp.zeros_like(a[..., basis.shape[-1] :])
    return known(jnp.concatenate([basis, more], -1), a)


def inverse(a):
    """Return inverses; NaN for matrices that are singular or not finite."""
    return known(jnp.linalg.inv(a), a)


def cholesky(a):
    """Return lower triangular factors; NaN where a matrix is not positive definite."""
    return known(jnp.linalg.cholesky(a, symmetrize_input=False), a)


def solve(a, b):
    """Return the solutions X of A X = B; NaN where A is singular."""
    return known(jnp.linalg.solve(a, b), a, b)


def solve_triangular(a, b, lower):
    """Return the solutions X of A X = B, where A is triangular."""
    a = jnp.tril(a) if lower else jnp.triu(a)
    return known(jax.scipy.linalg.solve_triangular(a, b, lower=lower), a, b)


def eigenvalues(a):
    """Return the eigenvalues of symmetric matrices as columns, the largest first."""
    return jnp.flip(eigh(a)[0], -1)[..., None]


def diagonal(a):
    """Return diagonals (..., n, 1)."""
    return jnp.diagonal(a, 0, -2, -1)[..., None]


def diagonal_matrix(v):
    """Return diagonal matrices of columns (..., n, 1)."""
    return jnp.where(jnp.eye(v.shape[-2], dtype=bool), v, 0)


def first_columns(a, count):
    """Return the first columns (..., n, count); those that there are not are 0."""
    more = max(0, count - a.shape[-1])
    return jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, more)])[..., :count]


def top_rows(scores, count=None):
    """Return the numbers of the largest scores as columns, the largest first; NaN is largest."""
    order = jnp.argsort(scores[..., 0], axis=-1, stable=True, descending=True)
    return order[..., :count, None].astype(scores.dtype)


def places_of(indices, rows):
    """Return the places of rows, beyond the end for those that there are not."""
    return jnp.where((indices >= 0) & (indices < rows), indices, rows).astype(int)


def take_rows(a, indices):
    """Return rows of matrices; NaN for those that there are not."""
    places = places_of(indices, a.shape[-2])
    places = jnp.broadcast_to(places, (*places.shape[:-1], a.shape[-1]))
    a = jnp.broadcast_to(a, (*places.shape[:-2], *a.shape[-2:]))
    return jnp.take_along_axis(a, places, -2, mode="fill", fill_value=jnp.nan)


def put_rows(a, indices, rows):
    """Return matrices with other rows; those for rows that there are not are left out."""
    places = places_of(indices, a.shape[-2])
    places = jnp.broadcast_to(places, (*places.shape[:-1], a.shape[-1]))
    a = jnp.broadcast_to(a, (*places.shape[:-2], *a.shape[-2:]))
    return jnp.put_along_axis(a, places, rows, -2, inplace=False, mode="drop")
