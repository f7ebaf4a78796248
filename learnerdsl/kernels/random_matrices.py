"""Random matrices by Philox4x32-10, with the operations that NumPy, CuPy and PyTorch share.

Words of 32 bits are in int64. Products wrap there, but their bits are right.
"""

import math
from typing import Any

_ROUNDS = 10
_WORD = 0xFFFFFFFF


def words(position: Any, stream: int, seed: Any, step: Any, number: Any) -> tuple[Any, ...]:
    """Return four random words for each position, as `philox` gives them for elements.

    Args:
        position: int64 array of the indices of entries.
        stream: number of the draw in its rule.
        seed: whole number, or an array of int64 without axes.
        step: the same.
        number: number of the tensor, the same.
    """
    key = [seed & _WORD, (seed >> 32) & _WORD]
    zero = position * 0
    a, b = position & _WORD, (position >> 32) | (stream << 16)
    c, d = zero + (step & _WORD), zero + number
    for _ in range(_ROUNDS):
        first, second = a * 0xD2511F53, c * 0xCD9E8D57
        a, b = ((second >> 32) & _WORD) ^ b ^ key[0], second & _WORD
        c, d = ((first >> 32) & _WORD) ^ d ^ key[1], first & _WORD
        key = [(key[0] + 0x9E3779B9) & _WORD, (key[1] + 0xBB67AE85) & _WORD]
    return a, b, c, d


def distributed(kind: str, random: tuple[Any, ...], is_single: bool, double: Any, xp: Any) -> Any:
    """Return random numbers in float64 from words.

    Args:
        kind: "normal" or "uniform".
        random: four words for each entry.
        is_single: whether uniform numbers have the 24 bits of float32.
        double: converts an array to float64.
        xp: array namespace.
    """
    if kind == "uniform" and is_single:
        return double(random[0] >> 8) * 2.0**-24

    def fraction(high: Any, low: Any) -> Any:
        return double((high << 21) ^ (low >> 11)) * 2.0**-53

    u = fraction(random[0], random[1])
    if kind == "uniform":
        return u
    v = fraction(random[2], random[3])
    return xp.sqrt(-2.0 * xp.log(1.0 - u)) * xp.cos(2.0 * math.pi * v)
