"""SGD with noise, whose numbers are those of the counter-based generator of the package."""

import math

import numpy as np


def noisy_sgd(params, grads, state, t, *, lr, eta, gamma):
    """The variance of the noise is eta / t^gamma; the learner's seed is 0."""
    deviation = math.sqrt(eta / t**gamma)
    for k, (p, g) in enumerate(zip(params, grads, strict=True)):
        noise = _normal(p.size, stream=1, seed=0, step=t, tensor=k).reshape(p.shape)
        p[...] = p - lr * (g + deviation * noise)


def _normal(count, *, stream, seed, step, tensor):
    """Standard normal numbers by the transform of Box and Muller, two words of 32 bits each."""
    words = [w.astype(np.uint64) for w in _philox(count, stream, seed, step, tensor)]
    first = ((words[0] << np.uint64(21)) ^ (words[1] >> np.uint64(11))) / 2.0**53
    second = ((words[2] << np.uint64(21)) ^ (words[3] >> np.uint64(11))) / 2.0**53
    return np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * math.pi * second)


def _philox(count, stream, seed, step, tensor):
    """Philox4x32-10 of Salmon et al. (2011) for the elements from 0 up to `count`."""
    ones = np.ones(count, np.uint64)
    x = [np.arange(count, dtype=np.uint64)] + [ones * np.uint64(n) for n in (stream << 16, step)]
    x.append(ones * np.uint64(tensor))
    low, keys = np.uint64(2**32 - 1), [seed % 2**32, seed >> 32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * x[0], np.uint64(0xCD9E8D57) * x[2]
        left, right = (np.uint64(key) for key in keys)
        high_a, high_b = a >> np.uint64(32), b >> np.uint64(32)
        x = [high_b ^ x[1] ^ left, b & low, high_a ^ x[3] ^ right, a & low]
        keys = [(keys[0] + 0x9E3779B9) % 2**32, (keys[1] + 0xBB67AE85) % 2**32]
    return x
