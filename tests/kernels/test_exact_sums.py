"""Squares and products of float32 are added in one instruction, and round as in two."""

import math

import llvmlite.binding
import numba
import numpy as np
import pytest

import learnerdsl as ld
from learnerdsl import learners
from learnerdsl.kernels.cpu import accumulate_square, accumulate_times

HAS_FMA = llvmlite.binding.get_host_cpu_features().get("fma", False)


@numba.njit
def added(totals, a, b):
    squares, products = np.empty_like(totals), np.empty_like(totals)
    for i in range(len(totals)):
        squares[i] = accumulate_square(totals[i], np.float64(a[i]))
        products[i] = accumulate_times(totals[i], np.float64(a[i]), np.float64(b[i]))
    return squares, products


def test_one_rounding_gives_what_two_give():
    rng = np.random.default_rng(0)
    exponents = rng.uniform(-140, 120, (2, 20_000))
    a, b = (rng.standard_normal((2, 20_000)) * 2.0**exponents).astype(np.float32)
    totals = rng.standard_normal(20_000) * np.abs(a.astype(np.float64) * b)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    squares, products = added(totals, a, b)
    np.testing.assert_array_equal(squares, totals + wide_a**2)
    np.testing.assert_array_equal(products, totals + wide_a * wide_b)


@pytest.mark.skipif(not HAS_FMA, reason="this processor has no instruction that does both")
def test_norms_are_one_instruction_in_float32_alone():
    assert "vfmadd" in str(learners.lamb.asm("float32"))
    assert "vfmadd" not in str(learners.lamb.asm("float64"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_squares_and_products_are_those_of_python(dtype):
    @ld.rule
    def rule(p, g, lr=1.0):
        square, product = ld.sum(p**2), ld.sum(p * g)
        kept = [ld.state(name, shape="tensor") for name in ("square", "product", "of_three")]
        values = square, product, ld.sum(2 * p * g)
        return ld.combine(
            [ld.assign(p, p - lr * g), *map(ld.assign, kept, values)],
        )

    rng = np.random.default_rng(1)
    p, g = (rng.standard_normal(1000).astype(dtype) for _ in range(2))
    pairs = list(zip(map(float, p), map(float, g), strict=True))
    learner = rule([p])
    learner.update([g])
    state = learner.state[0]
    expected = {
        "square": math.fsum(a * a for a, _ in pairs),
        "product": math.fsum(a * b for a, b in pairs),
        "of_three": math.fsum(2 * a * b for a, b in pairs),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(float(state[name]), value, rtol=1e-13)
