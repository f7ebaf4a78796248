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
