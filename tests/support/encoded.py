"""Numbers to encode, and what the functions of CPU kernels make of them."""

import ml_dtypes
import numpy as np
from numba import njit

from learnerdsl.kernels import cpu_memory

ALL_BITS = np.arange(2**16, dtype=np.uint16)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NUMPY = {"bfloat16": BFLOAT16, "float16": np.dtype(np.float16)}
DROPPED = {"bfloat16": 16, "float16": 13}


def random_floats(count=4_000_000, seed=0):
    """Numbers of random bits, so NaN, infinities, subnormals and all exponents alike."""
    bits = np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32)
    return bits.view(np.float32)


def edges():
    """Numbers on and beside every number of both types, and on the middles between them."""
    found = []
    for dtype, bits in ((BFLOAT16, 8), (np.dtype(np.float16), 11)):
        own = ALL_BITS.view(dtype).astype(np.float32)
        own = own[np.isfinite(own)]
        _, exponent = np.frexp(own)
        middles = own + np.ldexp(np.float32(0.5), exponent - bits)
        for values in (own, middles):
            found += [values, np.nextafter(values, np.inf), np.nextafter(values, -np.inf)]
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 65504, 65519.996, 65520, 3.3961e38, 3.4028e38]
    return np.concatenate([*found, np.array(special, np.float32)]).astype(np.float32)


@njit
def each(function, out, x):
    for i in range(len(x)):
        out[i] = function(x[i])


@njit
def each_by(function, out, x, y):
    for i in range(len(x)):
        out[i] = function(x[i], y[i])


@njit
def each_of_three(function, out, x, y, z):
    for i in range(len(x)):
        out[i] = function(x[i], y[i], z[i])


LOOPS = {1: each, 2: each_by, 3: each_of_three}


def kernel(name, dtype, *arrays):
    """What the function of kernels gives for each element."""
    out = np.empty(arrays[0].shape, dtype)
    LOOPS[len(arrays)](getattr(cpu_memory, name), out, *arrays)
    return out


def assert_same_bits(one, other):
    assert one.dtype == other.dtype
    kind = f"u{one.dtype.itemsize}"
    np.testing.assert_array_equal(one.view(kind), other.view(kind))
