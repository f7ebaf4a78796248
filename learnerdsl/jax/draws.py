"""Draw random numbers in JAX by Philox4x32-10: those of a Learner with the same seed."""

import math
from typing import Any

import jax.numpy as jnp

from learnerdsl.jax.parts import positions

_ROUNDS = 10
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_INCREMENTS = 0x9E3779B9, 0xBB67AE85
_WORD = 0xFFFFFFFF


def _words(p: Any, stream: int, seed: Any, step: Any, number: int) -> list[Any]:
    """Return four random words of 32 bits for each element, as uint64."""
    position = positions(p)
    seed, step = jnp.asarray(seed).astype(jnp.uint64), jnp.asarray(step).astype(jnp.uint64)
    c = [
        position & _WORD,
        (position >> 32) | (stream << 16),
        jnp.broadcast_to(step & _WORD, p.shape),
        jnp.full(p.shape, number & _WORD, jnp.uint64),
    ]
    key = [seed & _WORD, seed >> 32]
    for _ in range(_ROUNDS):
        first, second = (c[2 * k] * jnp.uint64(_MULTIPLIERS[k]) for k in (0, 1))
        c = [
            (second >> 32) ^ c[1] ^ key[0],
            second & _WORD,
            (first >> 32) ^ c[3] ^ key[1],
            first & _WORD,
        ]
        key = [(k + add) & _WORD for k, add in zip(key, _INCREMENTS, strict=True)]
    return c


def _fraction(high: Any, low: Any) -> Any:
    """Return numbers from [0, 1) with 53 bits."""
    return ((high << 21) ^ (low >> 11)).astype(jnp.float64) * 2.0**-53


def uniform(p: Any, stream: int, seed: Any, step: Any, number: int) -> Any:
    """Return random numbers from [0, 1) with the shape and dtype of p.

    Args:
        p: the parameter.
        stream: number of the draw in the rule.
        seed: a whole number.
        step: number of the update.
        number: number of the tensor.
    """
    words = _words(p, stream, seed, step, number)
    if p.dtype.itemsize == 4:
        return (words[0] >> 8).astype(p.dtype) * 2.0**-24
    return _fraction(words[0], words[1]).astype(p.dtype)


def normal(p: Any, stream: int, seed: Any, step: Any, number: int) -> Any:
    """Return standard normal random numbers with the shape and dtype of p; see `uniform`."""
    words = _words(p, stream, seed, step, number)
    u, v = _fraction(words[0], words[1]), _fraction(words[2], words[3])
    drawn = jnp.sqrt(-2.0 * jnp.log(1.0 - u)) * jnp.cos(2.0 * math.pi * v)
    return drawn.astype(p.dtype)
