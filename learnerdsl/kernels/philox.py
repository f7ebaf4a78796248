"""Counter-based random numbers, equal on every backend and for any number of threads.

Philox4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy
as 1, 2, 3, SC 2011, https://doi.org/10.1145/2063384.2063405.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from learnerdsl.kernels.slots import SEED, STEP, TENSOR_NUMBER

WORD = np.uint64(0xFFFFFFFF)


def random_functions(
    inline: Callable[[Any], Any], log: Callable[[Any], Any], cos_of_turns: Callable[[Any], Any]
) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Return `key_of`, `random_key`, and the uniform and normal functions of float32 and float64.

    Args:
        inline: decorator that makes a function callable in kernels.
        log: natural logarithm, callable in kernels.
        cos_of_turns: cosine of 2 pi x, callable in kernels.
    """

    @inline
    def key_of(seed: Any, step: Any, number: Any) -> Any:
        """Return the key of random numbers: seed (two words), step, number of the tensor."""
        seed, step, number = np.uint64(seed), np.uint64(step), np.uint64(number)
        return seed & WORD, seed >> np.uint64(32), step & WORD, number & WORD

    @inline
    def random_key(model: Any, tensor: Any) -> Any:
        """Return the key of the random numbers of a tensor's elements."""
        return key_of(model[SEED], model[STEP], tensor[TENSOR_NUMBER])

    @inline
    def philox(key: Any, position: Any, stream: Any) -> Any:
        """Return four random 32-bit words for an element: Philox4x32-10 (Salmon et al., 2011)."""
        k0, k1, c2, c3 = key
        c0 = np.uint64(position) & WORD
        c1 = (np.uint64(position) >> np.uint64(32)) | (np.uint64(stream) << np.uint64(16))
        for _ in range(10):
            product0, product1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
            c0, c2 = (product1 >> np.uint64(32)) ^ c1 ^ k0, (product0 >> np.uint64(32)) ^ c3 ^ k1
            c1, c3 = product1 & WORD, product0 & WORD
            k0, k1 = (k0 + np.uint64(0x9E3779B9)) & WORD, (k1 + np.uint64(0xBB67AE85)) & WORD
        return c0, c1, c2, c3

    @inline
    def fraction(high: Any, low: Any) -> Any:
        """Return a number in [0, 1) from 53 bits of two words."""
        return np.float64((high << np.uint64(21)) ^ (low >> np.uint64(11))) * 2.0**-53

    @inline
    def uniform_float64(key: Any, position: Any, stream: Any) -> Any:
        """Return a uniform random number in [0, 1)."""
        words = philox(key, position, stream)
        return fraction(words[0], words[1])

    @inline
    def uniform_float32(key: Any, position: Any, stream: Any) -> Any:
        """Return a uniform random number in [0, 1), of 24 bits, so that it never rounds to 1."""
        return np.float32(philox(key, position, stream)[0] >> np.uint64(8)) * np.float32(2.0**-24)

    @inline
    def normal_float64(key: Any, position: Any, stream: Any) -> Any:
        """Return a standard normal random number, by the Box-Muller transform."""
        words = philox(key, position, stream)
        radius = math.sqrt(-2.0 * log(1.0 - fraction(words[0], words[1])))
        return radius * cos_of_turns(fraction(words[2], words[3]))

    @inline
    def normal_float32(key: Any, position: Any, stream: Any) -> Any:
        """Return a standard normal random number, rounded from float64."""
        return np.float32(normal_float64(key, position, stream))

    uniforms, normals = (uniform_float32, uniform_float64), (normal_float32, normal_float64)
    return key_of, random_key, *uniforms, *normals
