"""`exp`, `log`, `tanh` and `sign` that a vectorised loop can inline.

Numba would call the C library for each element. Such a loop is not vectorised and takes 8 to 25
times as long as these polynomials. Their results are within 3 units in the last place of NumPy's,
and equal for NaN, infinite, zero, negative and subnormal arguments. Without compilation, NumPy's
functions are used.

Sources: argument reduction after Cody and Waite, Software Manual for the Elementary Functions,
1980; the coefficients of `log` are those of Sun's fdlibm, those of `tanh` of Moshier's Cephes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

OPTIONS: Any = {"error_model": "numpy"}
"""Options of Numba. Division by zero returns infinity; with an error check instead, LLVM would not
vectorise a loop that divides."""

INLINE: Any = {**OPTIONS, "forceinline": True}
"""Options of functions that loops call. LLVM does not vectorise a loop with a call in it, so these
are always inlined."""


@dataclass(frozen=True)
class _Format:
    """The constants of a floating-point type that the functions need."""

    real: Any
    integer: Any
    mantissa: int
    bias: int
    overflow: float
    underflow: float
    terms: int
    ln2_high: float
    ln2_low: float


_FORMATS = {
    types.float32: _Format(
        np.float32, np.int32, 23, 127, 89.0, -104.0, 7, 0.693359375, -2.12194440054690583e-4
    ),
    types.float64: _Format(
        np.float64,
        np.int64,
        52,
        1023,
        710.0,
        -746.0,
        13,
        6.93147180369123816490e-01,
        1.90821492927058770002e-10,
    ),
}


def exp(x: Any) -> Any:
    """Return e to the power x."""
    return np.exp(x)


def log(x: Any) -> Any:
    """Return the natural logarithm; -infinity for 0, NaN for negative numbers."""
    return np.log(x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


@register_jitable(**INLINE)
def _polynomial7(c: Any, x: Any) -> Any:
    """Evaluate a polynomial; written out, as LLVM does not unroll every loop over a tuple."""
    high = ((c[0] * x + c[1]) * x + c[2]) * x + c[3]
    return (((high * x + c[4]) * x + c[5]) * x + c[6]) * x + c[7]


@register_jitable(**INLINE)
def _polynomial13(c: Any, x: Any) -> Any:
    high = (((c[0] * x + c[1]) * x + c[2]) * x + c[3]) * x + c[4]
    high = ((((high * x + c[5]) * x + c[6]) * x + c[7]) * x + c[8]) * x + c[9]
    return (((high * x + c[10]) * x + c[11]) * x + c[12]) * x + c[13]


@overload(exp, jit_options=INLINE)
def _exp(x: Any) -> Callable[[Any], Any] | None:
    if x not in _FORMATS:
        return None
    f = _FORMATS[x]
    real, integer, mantissa, bias = f.real, f.integer, f.mantissa, f.bias
    zero, half, one, log2_e = real(0), real(0.5), real(1), real(1 / math.log(2))
    high, low, top, bottom = real(f.ln2_high), real(f.ln2_low), real(f.overflow), real(f.underflow)
    polynomial = {7: _polynomial7, 13: _polynomial13}[f.terms]
    taylor = tuple(real(1 / math.factorial(k)) for k in range(f.terms, -1, -1))

    def compute(x: Any) -> Any:
        # NaN is handled separately, as it has no integer part. The limits that x is clamped to lie
        # outside the range of finite, nonzero results.
        y = zero if x != x else x
        y = top if y > top else (bottom if y < bottom else y)
        n = np.floor(y * log2_e + half)
        r = (y - n * high) - n * low
        total = polynomial(taylor, r)
        # 2**n in two factors: one alone would overflow, or lose subnormal results.
        whole = integer(n)
        first = whole >> integer(1)
        second = whole - first
        scale1 = integer((first + integer(bias)) << integer(mantissa)).view(real)
        scale2 = integer((second + integer(bias)) << integer(mantissa)).view(real)
        result = total * scale1 * scale2
        return x if x != x else result * one

    return compute


_LOG = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)


@overload(log, jit_options=INLINE)
def _log(x: Any) -> Callable[[Any], Any] | None:
    if x not in _FORMATS:
        return None
    f = _FORMATS[x]
    real, integer, mantissa, bias = f.real, f.integer, f.mantissa, f.bias
    zero, half, one, two = real(0), real(0.5), real(1), real(2)
    high, low = real(f.ln2_high), real(f.ln2_low)
    smallest, lift, infinity, nan = (
        real(2.0 ** (1 - bias)),
        real(2.0**mantissa),
        real(np.inf),
        real(np.nan),
    )
    root_half_bits = integer(real(math.sqrt(0.5)).view(integer))
    fraction_bits = integer((1 << mantissa) - 1)
    c = tuple(real(coefficient) for coefficient in reversed(_LOG))

    def compute(x: Any) -> Any:
        is_subnormal = x < smallest
        y = x * lift if is_subnormal else x
        # Shift the exponent so that the fraction is in sqrt(1/2) .. sqrt(2).
        bits = real(y).view(integer) - root_half_bits
        exponent = bits >> integer(mantissa)
        fraction = integer((bits & fraction_bits) + root_half_bits).view(real)
        k = real(exponent) - (real(mantissa) if is_subnormal else zero)
        g = fraction - one
        s = g / (two + g)
        z = s * s
        leading = ((c[0] * z + c[1]) * z + c[2]) * z + c[3]
        total = ((leading * z + c[4]) * z + c[5]) * z + c[6]
        square = half * g * g
        result = k * high - ((square - (s * (square + z * total) + k * low)) - g)
        result = infinity if x == infinity else result
        result = -infinity if x == zero else result
        return result if x >= zero else nan

    return compute


_TANH_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
_TANH_Q = (1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)


@overload(tanh, jit_options=INLINE)
def _tanh(x: Any) -> Callable[[Any], Any] | None:
    if x not in _FORMATS:
        return None
    real = _FORMATS[x].real
    one, two, border = real(1), real(2), real(0.625)
    p0, p1, p2 = (real(c) for c in _TANH_P)
    q0, q1, q2 = (real(c) for c in _TANH_Q)

    def compute(x: Any) -> Any:
        size = abs(x)
        far = one - two / (exp(two * size) + one)
        z = x * x
        near = x + x * z * (((p0 * z + p1) * z + p2) / (((z + q0) * z + q1) * z + q2))
        return math.copysign(near if size < border else far, x)

    return compute


def sign(x: Any) -> Any:
    """Return -1, 0 or 1; 0 also for -0, and NaN for NaN."""
    return np.sign(x)


@overload(sign, jit_options=INLINE)
def _sign(x: Any) -> Any:
    one = np.float32(1) if x is types.float32 else np.float64(1)

    def select(x: Any) -> Any:
        return one if x > 0 else (-one if x < 0 else abs(x))

    return select
