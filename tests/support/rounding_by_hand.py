"""Rounding to narrow number types number by number, with fractions: what all others must equal."""

import bisect
import struct
from fractions import Fraction

LARGEST = {"bfloat16": 0x7F7F, "float16": 0x7BFF}
"""Bits of the largest finite number."""


def value_of(name, bits):
    """The number that has these bits and no sign."""
    if name == "bfloat16":
        return struct.unpack("<f", struct.pack("<I", bits << 16))[0]
    return struct.unpack("<e", struct.pack("<H", bits))[0]


NUMBERS = {name: [value_of(name, bits) for bits in range(LARGEST[name] + 1)] for name in LARGEST}
"""All finite numbers that are not negative, in the order of their bits."""


def neighbours(name, x):
    """The bits of the largest number up to |x|, and how far |x| is from there to the next one."""
    numbers, magnitude = NUMBERS[name], abs(x)
    below = bisect.bisect_right(numbers, magnitude) - 1
    if below == LARGEST[name]:  # the next number would be there if exponents went on
        above = 2 * Fraction(numbers[-1]) - Fraction(numbers[-2])
    else:
        above = Fraction(numbers[below + 1])
    start = Fraction(numbers[below])
    return below, (Fraction(magnitude) - start) / (above - start)


def nearest(name, x):
    """The bits of the number nearest to x, ties to even; x is not NaN."""
    sign = 0x8000 if struct.pack("<f", x)[3] & 0x80 else 0
    if abs(x) == float("inf"):
        return sign + LARGEST[name] + 1
    below, share = neighbours(name, x)
    up = share > Fraction(1, 2) or (share == Fraction(1, 2) and below % 2 == 1)
    return sign + min(below + up, LARGEST[name] + 1)


def companded(x, scale, is_signed):
    """The code of x before it is rounded, squared if there is no sign, as an exact fraction."""
    z = Fraction(x) / Fraction(scale)
    if is_signed:
        return 127 * 2 * z / (1 + abs(z))
    return 255**2 * z / Fraction(scale)


def expanded(code, scale, is_signed):
    """The value of a code, as an exact fraction."""
    if is_signed:
        return Fraction(scale) * Fraction(code, 254 - abs(code))
    return (Fraction(scale) * Fraction(code, 255)) ** 2
