"""The counter-based random number generator of rules, with NumPy or a library like it."""

from typing import Any

import numpy as np


def philox(
    position: Any, stream: int, seed: Any, step: Any, tensor: int, xp: Any = np
) -> list[Any]:
    """Return four random 32-bit words, as uint64, for each position; computed by Philox4x32-10.

    Args:
        position: whole numbers, uint64.
        stream: number of the draw in its rule.
        seed: whole number below 2**64, which may be traced, and so may the step.
        step: number of the update.
        tensor: number of the tensor in the model.
        xp: array namespace; it must have uint64.
    """
    word, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    seed, step, tensor = (xp.asarray(value, dtype=xp.uint64) for value in (seed, step, tensor))
    key = [seed & word, seed >> shift]
    c = [
        position & word,
        (position >> shift) | np.uint64(stream << 16),
        xp.full_like(position, step & word),
        xp.full_like(position, tensor & word),
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
            (k + np.uint64(add)) & word
            for k, add in zip(key, (0x9E3779B9, 0xBB67AE85), strict=True)
        ]
    return c
