"""Weights in two arrays, and the noise of stochastic rounding."""

import numpy as np
import pytest
from numba import njit
from support.encoded import assert_same_bits, edges, kernel, random_floats
from support.tiers import slow

from learnerdsl.interpret import codecs
from learnerdsl.kernels import cpu_memory as kernels
from learnerdsl.kernels.slots import SEED, STEP, TENSOR_NUMBER
from learnerdsl.storage import Precision, noise_multiplier


@njit
def count_lost_bits(first, last, upper, rest, join, lost_bits):
    """How many numbers two arrays do not give back."""
    count = 0
    half = np.uint32(1) << np.uint32(lost_bits) >> np.uint32(1)
    for bits in range(first, last):
        word = np.uint32(bits)
        x = kernels.float_of(word)
        back = join(upper(x), rest(x))
        kept = np.uint32(np.uint32(word + half) >> np.uint32(lost_bits)) << np.uint32(lost_bits)
        wanted = kernels.float_of(np.uint32(kept))
        count += back == back if x != x else back != wanted
    return count


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0, 2**18),
        *((int(bits) - 2**18, int(bits) + 2**18) for bits in (0x7F800000, 0x3F800000, 0xBF800000)),
        (2**32 - 2**18, 2**32),
        slow(0, 2**32),
    ],
)
@pytest.mark.parametrize("master", ["split16", "split8"])
def test_two_arrays_hold_every_number(master, first, last):
    parts = [f"{master}_upper", f"{master}_rest", f"from_{master}"]
    functions = [getattr(kernels, part) for part in parts]
    assert count_lost_bits(first, last, *functions, 0 if master == "split16" else 8) == 0


@pytest.mark.parametrize("master", ["split16", "split8", "kahan", "float32"])
@pytest.mark.parametrize("numbers", [edges, random_floats])
def test_the_oracle_keeps_weights_as_kernels_do(master, numbers):
    x = numbers()
    precision = Precision("bfloat16", "bfloat16", (), master)
    with np.errstate(all="ignore"):
        stored, rest = codecs.encode_parameter(precision, x)
        values = codecs.decode_parameter(precision, stored, rest)
    if master.startswith("split"):
        own = kernel(f"{master}_upper", np.uint16, x), kernel(f"{master}_rest", rest.dtype, x)
        assert_same_bits(own[0], stored.view(np.uint16))
        np.testing.assert_array_equal(own[1], rest)
        joined = kernel(f"from_{master}", np.float32, *own)
        assert_same_bits(joined, values)
        assert_same_bits(own[0][~np.isnan(x)] >> 15, (np.signbit(x)[~np.isnan(x)]).astype("u2"))
    if master == "split16" or master == "float32":
        np.testing.assert_array_equal(values, x)
    if master == "kahan":
        own = kernel("to_bfloat16", np.uint16, x)
        assert_same_bits(own, stored.view(np.uint16))
        lost = kernel("kahan_rest", np.float32, x, stored.astype(np.float32))
        assert_same_bits(kernel("to_bfloat16", np.uint16, lost), rest.view(np.uint16))
    # The weight is at least as near as the parameter alone.
    finite = np.isfinite(x) & np.isfinite(stored.astype(np.float32))
    wide = x[finite].astype(np.float64)
    error = np.abs(values[finite].astype(np.float64) - wide)
    alone = np.abs(stored[finite].astype(np.float64) - wide)
    assert (error <= alone).all()
    np.testing.assert_array_equal(np.isnan(values), np.isnan(x))


@njit
def noise_of_kernels(model, tensor, first, count, multiplier, out):
    key = kernels.rounding_key(model, tensor)
    for i in range(count):
        out[i] = kernels.noise_bits(kernels.noise_at(key, first + i), multiplier)


def kernel_noise(seed, step, number, first, count, multiplier=1):
    model, tensor = np.zeros(max(SEED, STEP) + 1), np.zeros(TENSOR_NUMBER + 1)
    model[SEED], model[STEP], tensor[TENSOR_NUMBER] = seed, step, number
    out = np.empty(count, np.uint32)
    noise_of_kernels(model, tensor, first, count, multiplier, out)
    return out


@pytest.mark.parametrize("seed", [0, 1, 2**32 + 5, 2**53 - 1])
@pytest.mark.parametrize(("step", "number", "first"), [(1, 0, 0), (2**33, 7, 2**31 - 3), (3, 9, 5)])
def test_noise_of_kernels_is_that_of_the_oracle(seed, step, number, first):
    positions = np.arange(first, first + 50)
    noise = codecs.rounding_noise(seed, step, number, positions)
    for array in range(12):
        multiplier = noise_multiplier(array)
        own = kernel_noise(seed, step, number, first, 50, multiplier)
        np.testing.assert_array_equal(own, codecs.noise_of(noise, multiplier))


def test_noise_is_even_and_independent_between_elements_arrays_tensors_steps_and_seeds():
    count = 2**20
    base = {"seed": 3, "step": 5, "number": 2, "first": 0, "count": count}
    draws = [kernel_noise(**base, multiplier=noise_multiplier(k)) for k in range(6)]
    draws.append(draws[0][::-1])
    draws.append(np.roll(draws[0], 1))
    changes = ({"step": 6}, {"seed": 4}, {"number": 3}, {"first": 2**20})
    draws += [kernel_noise(**{**base, **change}) for change in changes]
    for draw in draws:
        counts = np.bincount(draw >> 8, minlength=256)
        assert np.sum((counts - count / 256) ** 2 / (count / 256)) < 255 + 6 * np.sqrt(2 * 255)
    correlation = np.corrcoef(np.array(draws, np.float64)) - np.eye(len(draws))
    assert np.abs(correlation).max() < 6 / np.sqrt(count)
    with pytest.raises(AssertionError):  # the judge sees what is not independent
        assert np.abs(np.corrcoef(draws[0], draws[0] // 2)[0, 1]) < 0.01
