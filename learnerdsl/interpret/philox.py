"""The counter-based random number generator of rules, in NumPy."""

from typing import Any

import numpy as np


def philox(position: Any, stream: int, seed: int, step: int, tensor: int) -> list[Any]:
    """Return four random 32-bit words, as uint64, for each position; computed by Philox4x32-10."""
    word, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    key = [np.uint64(seed) & word, np.uint64(seed) >> shift]
    c = [
        position & word,
        (position >> shift) | np.uint64(stream << 16),
        np.full_like(position, step & 0xFFFFFFFF),
        np.full_like(position, tensor & 0xFFFFFFFF),
    ]
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (second >> shift) ^ c[1] ^ key[0],
            second & word,
            (first >> shift) ^ c[3] ^ key[1],
            first & word,
        ]
        key = [
            np.uint64((int(k) + add) & 0xFFFFFFFF)
            for k, add in zip(key, (0x9E3779B9, 0xBB67AE85), strict=True)
        ]
    return c
