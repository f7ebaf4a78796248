"""Decode what kernels load, and encode what they store, for number types narrower than float32.

The functions are the same on every kind of machine. They compute on bits: u32(...) after every
operation keeps Numba from widening it to 64 bits, which would halve the width of vectors.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from learnerdsl.kernels.slots import SEED, STEP, TENSOR_NUMBER

u16, u32, i32, f32 = np.uint16, np.uint32, np.int32, np.float32
u64 = np.uint64

Inline = Callable[[Any], Any]
Functions = dict[str, Any]
NAMES = (
    *("from_bfloat16", "from_float16", "from_int8", "from_uint8"),
    *("factor_from_int8", "factor_from_uint8", "factor_to_int8", "factor_to_uint8"),
    *("to_bfloat16", "to_float16", "to_int8", "to_uint8"),
    *("to_bfloat16_by", "to_float16_by", "to_int8_by", "to_uint8_by"),
    *("from_split16", "from_split8", "split16_rest", "split16_upper", "split8_rest"),
    *("split8_upper", "kahan_rest", "larger_bits", "rounding_key", "noise_at", "noise_bits"),
)
"""Names of the functions."""


def _quiet_bfloat16(inline: Inline) -> Any:
    """Return the function that makes a bfloat16 NaN."""

    @inline
    def quiet_bfloat16(bits: Any) -> Any:
        """Return the bits of a bfloat16 NaN with the sign of a float32 number."""
        return u32(u32(u32(bits >> u32(16)) & u32(0x8000)) | u32(0x7FC0))

    return quiet_bfloat16


def _of_16_bits(
    inline: Inline, bits_of: Any, float_of: Any, half_of: Any, half_to: Any
) -> Functions:
    """Return the encodings of bfloat16 and float16."""
    quiet_bfloat16 = _quiet_bfloat16(inline)

    @inline
    def from_bfloat16(stored: Any) -> Any:
        """Return the value of a bfloat16 number: the upper half of the bits of a float32."""
        return float_of(u32(u32(stored) << u32(16)))

    @inline
    def to_bfloat16(x: Any) -> Any:
        """Return the nearest bfloat16 number, ties to even; NaN stays NaN."""
        bits = bits_of(x)
        odd = u32(u32(bits >> u32(16)) & u32(1))
        nearest = u32(u32(bits + u32(u32(0x7FFF) + odd)) >> u32(16))
        return u16(quiet_bfloat16(bits) if x != x else nearest)

    @inline
    def to_bfloat16_by(x: Any, noise: Any) -> Any:
        """Return one of the two bfloat16 numbers around x; `noise` (16 bits) chooses."""
        bits = bits_of(x)
        chosen = u32(u32(bits + u32(noise)) >> u32(16))  # infinity stays, as its last bits are 0
        return u16(quiet_bfloat16(bits) if x != x else chosen)

    @inline
    def from_float16(stored: Any) -> Any:
        """Return the value of a float16 number."""
        return half_to(stored)

    @inline
    def to_float16(x: Any) -> Any:
        """Return the nearest float16 number, ties to even."""
        return half_of(x)

    @inline
    def to_float16_by(x: Any, noise: Any) -> Any:
        """Return one of the two float16 numbers around x; `noise` (16 bits) chooses."""
        bits = bits_of(x)
        magnitude = float_of(u32(bits & u32(0x7FFFFFFF)))
        # 13 bits are dropped from a normal number. A subnormal one is a multiple of 2**-24.
        dropped = u32(u32(bits + u32(u32(noise) >> u32(3))) & u32(0xFFFFE000))
        units = magnitude * f32(2.0**24)
        whole = f32(i32(units))
        up = f32(1.0) if f32(noise) * f32(2.0**-16) < units - whole else f32(0.0)
        small = f32(f32(whole + up) * f32(2.0**-24))
        signed = f32(-small) if u32(bits >> u32(31)) != u32(0) else small
        normal = x if not magnitude < f32(np.inf) else float_of(dropped)
        return half_of(signed if magnitude < f32(2.0**-14) else normal)

    return _named(
        from_bfloat16, to_bfloat16, to_bfloat16_by, from_float16, to_float16, to_float16_by
    )


def _of_signed_8_bits(inline: Inline, rint: Any) -> Functions:
    """Return the encoding int8, with a scale for each block."""

    @inline
    def factor_from_int8(scale: Any) -> Any:
        """Return the factor that `from_int8` takes, for a block with this scale."""
        return f32(scale)

    @inline
    def from_int8(code: Any, factor: Any) -> Any:
        """Return the value of a signed code: z / (2 - |z|) of the scale, with z = code / 127."""
        z = f32(code)
        return factor * f32(z / f32(f32(254.0) - abs(z)))

    @inline
    def factor_to_int8(scale: Any) -> Any:
        """Return the factor that `to_int8` takes, for a block with this scale."""
        return f32(f32(0.5) * scale)

    @inline
    def of_int8(x: Any, factor: Any) -> Any:
        """Return 127 * 2 z / (1 + |z|) with z = x / scale, not yet rounded; 0 for NaN."""
        # Both terms of the divisor are halved, so that their sum does not overflow. It is 0 only
        # in a block of zeros, or of subnormal numbers; then the quotient is not finite.
        code = f32(f32(127.0) * f32(x / f32(factor + f32(f32(0.5) * abs(x)))))
        return code if abs(code) < f32(128.0) else f32(0.0)

    @inline
    def to_int8(x: Any, factor: Any) -> Any:
        """Return the nearest signed code."""
        return np.int8(i32(rint(of_int8(x, factor))))

    @inline
    def to_int8_by(x: Any, factor: Any, noise: Any) -> Any:
        """Return one of the two signed codes around x; `noise` (16 bits) chooses."""
        shifted = f32(of_int8(x, factor) + f32(f32(noise) * f32(2.0**-16)))
        whole = i32(shifted)  # without the fraction, which is not the floor of a negative number
        code = i32(whole - i32(1)) if f32(whole) > shifted else whole
        return np.int8(min(code, i32(127)))

    return _named(factor_from_int8, factor_to_int8, from_int8, to_int8, to_int8_by)


def _of_unsigned_8_bits(inline: Inline, bits_of: Any, sqrt: Any, rint: Any) -> Functions:
    """Return the encoding uint8, and the maximum that gives the scale of a block."""

    @inline
    def factor_from_uint8(scale: Any) -> Any:
        """Return the factor that `from_uint8` takes, for a block with this scale."""
        return f32(scale / f32(255.0))

    @inline
    def from_uint8(code: Any, factor: Any) -> Any:
        """Return the value of an unsigned code: (code * scale / 255)**2."""
        root = f32(f32(code) * factor)
        return f32(root * root)

    @inline
    def factor_to_uint8(scale: Any) -> Any:
        """Return the factor that `to_uint8` takes, for a block with this scale."""
        return f32(f32(255.0) / scale)

    @inline
    def of_uint8(x: Any, factor: Any) -> Any:
        """Return 255 * sqrt(x) / scale, not yet rounded; at least 1 for x > 0; 0 for NaN."""
        # Rules divide by roots of such states: a small one must not become 0.
        code = f32(sqrt(x) * factor)
        least = max(code, f32(1.0))
        return least if (code > f32(0.0)) & (code < f32(256.0)) else f32(0.0)

    @inline
    def to_uint8(x: Any, factor: Any) -> Any:
        """Return the nearest unsigned code."""
        return np.uint8(i32(rint(of_uint8(x, factor))))

    @inline
    def to_uint8_by(x: Any, factor: Any, noise: Any) -> Any:
        """Return one of the two unsigned codes around x; `noise` (16 bits) chooses."""
        shifted = f32(of_uint8(x, factor) + f32(f32(noise) * f32(2.0**-16)))
        return np.uint8(min(i32(shifted), i32(255)))

    @inline
    def larger_bits(top: Any, x: Any) -> Any:
        """Return the larger of `top` and the bits of |x|: these are ordered as |x| is, NaN last."""
        return max(top, i32(u32(bits_of(x) & u32(0x7FFFFFFF))))

    return _named(
        factor_from_uint8, factor_to_uint8, from_uint8, to_uint8, to_uint8_by, larger_bits
    )


def _of_masters(inline: Inline, bits_of: Any, float_of: Any) -> Functions:
    """Return the encodings of master weights in two arrays."""
    quiet_bfloat16 = _quiet_bfloat16(inline)

    @inline
    def rest_of(upper: Any, rest: Any) -> Any:
        """Return the rest of a number; that of 0 is not negative, unless others wrote the 0."""
        return max(i32(rest), i32(0)) if u32(upper) & u32(0x7FFF) == u32(0) else i32(rest)

    @inline
    def from_split16(upper: Any, rest: Any) -> Any:
        """Return the float32 value of a bfloat16 number and the 16 bits that it lacks."""
        return float_of(u32(u32(u32(upper) << u32(16)) + u32(rest_of(upper, rest))))

    @inline
    def split16_upper(x: Any) -> Any:
        """Return the nearest bfloat16 number, ties away from zero; see `split16_rest`."""
        bits = bits_of(x)
        nearest = u32(u32(bits + u32(0x8000)) >> u32(16))
        return u16(quiet_bfloat16(bits) if x != x else nearest)

    @inline
    def split16_rest(x: Any) -> Any:
        """Return the difference of the bits of x and those of `split16_upper(x)`, as int16."""
        # With ties away from zero, it is the lower half of the bits as a signed number.
        return np.int16(u16(u32(0) if x != x else u32(bits_of(x) & u32(0xFFFF))))

    @inline
    def from_split8(upper: Any, rest: Any) -> Any:
        """Return the value of a bfloat16 number and the next 8 bits: 24 bits of a float32."""
        return float_of(u32(u32(u32(u32(upper) << u32(8)) + u32(rest_of(upper, rest))) << u32(8)))

    @inline
    def split8_upper(x: Any) -> Any:
        """Return the bfloat16 number nearest to x rounded to 24 bits; see `split8_rest`."""
        bits = bits_of(x)
        kept = u32(u32(bits + u32(0x80)) >> u32(8))
        nearest = u32(u32(kept + u32(0x80)) >> u32(8))
        return u16(quiet_bfloat16(bits) if x != x else nearest)

    @inline
    def split8_rest(x: Any) -> Any:
        """Return the 8 bits that `split8_upper(x)` lacks of 24, as int8."""
        kept = u32(u32(bits_of(x) + u32(0x80)) >> u32(8))
        return np.int8(np.uint8(u32(0) if x != x else u32(kept & u32(0xFF))))

    @inline
    def kahan_rest(x: Any, rounded: Any) -> Any:
        """Return what rounding lost; 0 if that is not finite, as beside infinity."""
        lost = f32(x - rounded)
        return lost if abs(lost) < f32(np.inf) else f32(0.0)

    return _named(
        from_split16,
        split16_upper,
        split16_rest,
        from_split8,
        split8_upper,
        split8_rest,
        kahan_rest,
    )


def _of_noise(inline: Inline) -> Functions:
    """Return the random bits of stochastic rounding."""

    @inline
    def mixed(x: Any) -> Any:
        """Return 32 bits that each depend on all bits of x (lowbias32 of C. Wellons)."""
        x1 = u32(u32(x ^ u32(x >> u32(16))) * u32(0x7FEB352D))
        x2 = u32(u32(x1 ^ u32(x1 >> u32(15))) * u32(0x846CA68B))
        return u32(x2 ^ u32(x2 >> u32(16)))

    @inline
    def rounding_key(model: Any, tensor: Any) -> Any:
        """Return the key of a tensor's stochastic rounding in this update (uint32)."""
        seed, step = u64(model[SEED]), u64(model[STEP])
        low = mixed(u32(seed & u64(0xFFFFFFFF)))
        high = mixed(u32(low ^ u32(seed >> u64(32))))
        at_step = mixed(u32(high ^ u32(step & u64(0xFFFFFFFF))))
        return mixed(u32(at_step ^ u32(u64(tensor[TENSOR_NUMBER]) & u64(0xFFFFFFFF))))

    @inline
    def noise_at(key: Any, position: Any) -> Any:
        """Return 32 random bits for the element at a position of a tensor."""
        return mixed(u32(u32(position) ^ key))

    @inline
    def noise_bits(noise: Any, multiplier: Any) -> Any:
        """Return 16 of the random bits; each array of an element has its own multiplier."""
        return u32(u32(noise * u32(multiplier)) >> u32(16))

    return _named(rounding_key, noise_at, noise_bits)


def _named(*functions: Any) -> Functions:
    """Return the functions by their names."""
    return {getattr(function, "py_func", function).__name__: function for function in functions}


def encoding_functions(
    inline: Inline, conversions: tuple[Any, ...], sqrt: Any = np.sqrt, rint: Any = np.rint
) -> Functions:
    """Return the functions named in `NAMES`: name -> function.

    Args:
        inline: decorator that makes a function callable in kernels.
        conversions: functions between numbers and their bits, those of `bits.IN_PYTHON`.
        sqrt: returns the square root of a float32 value.
        rint: returns the nearest whole number of a float32 value, ties to even.
    """
    bits_of, float_of, half_of, half_to = conversions
    return {
        **_of_16_bits(inline, bits_of, float_of, half_of, half_to),
        **_of_signed_8_bits(inline, rint),
        **_of_unsigned_8_bits(inline, bits_of, sqrt, rint),
        **_of_masters(inline, bits_of, float_of),
        **_of_noise(inline),
    }
