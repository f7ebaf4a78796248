"""Conversions between numbers and their bits, for kernels on every kind of machine."""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types


def bits_of(x: Any) -> Any:
    """Return the bits of a float32 value, as uint32."""
    return np.float32(x).view(np.uint32)


def float_of(bits: Any) -> Any:
    """Return the float32 value with these bits."""
    return np.uint32(bits).view(np.float32)


def half_of(x: Any) -> Any:
    """Return the bits of a float32 value rounded to float16, as uint16."""
    return np.float16(x).view(np.uint16)


def half_to(bits: Any) -> Any:
    """Return the float32 value of the bits of a float16 value."""
    return np.float32(np.uint16(bits).view(np.float16))


IN_PYTHON = (bits_of, float_of, half_of, half_to)
"""The conversions where kernels run as Python functions."""


def compiled_conversions(intrinsic: Callable[[Any], Any]) -> tuple[Any, ...]:
    """Return the conversions in compiled kernels, in the order of `IN_PYTHON`.

    Args:
        intrinsic: the decorator of Numba for this kind of machine.
    """

    def convert(source: Any, result: Any, generate: Callable[[Any, Any], Any]) -> Any:
        """Return an intrinsic of one number; `generate(builder, value)` makes its code."""

        def conversion(typing_context: Any, value: Any) -> Any:
            del typing_context, value

            def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                del context, signature
                return generate(builder, args[0])

            return result(source), code

        return intrinsic(conversion)

    half, short, single, word = ir.HalfType(), ir.IntType(16), ir.FloatType(), ir.IntType(32)
    real, bits, narrow = types.float32, types.uint32, types.uint16
    return (
        convert(real, bits, lambda b, x: b.bitcast(x, word)),
        convert(bits, real, lambda b, x: b.bitcast(x, single)),
        convert(real, narrow, lambda b, x: b.bitcast(b.fptrunc(x, half), short)),
        convert(narrow, real, lambda b, x: b.fpext(b.bitcast(x, half), single)),
    )
