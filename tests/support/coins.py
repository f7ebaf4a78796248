"""The coins that `magma` tosses, from the words of the generator."""

import numpy as np

from learnerdsl.interpret import philox


def coins_of(shapes, updates, seed):
    """The coin of each tensor in each update: heads where the highest bit of a word is 0."""
    start = np.zeros(1, np.uint64)
    return [
        [int(philox(start, 1, seed, step, k)[0][0] < 2**31) for k in range(len(shapes))]
        for step in range(1, updates + 1)
    ]
