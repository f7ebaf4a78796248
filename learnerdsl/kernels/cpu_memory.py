"""Access to memory in CPU kernels: views of arrays, and number types narrower than float32."""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from learnerdsl.kernels.bits import IN_PYTHON, compiled_conversions
from learnerdsl.kernels.cpu_math import INLINE
from learnerdsl.kernels.encodings import encoding_functions


@intrinsic
def pointer(typing_context: Any, address: Any) -> Any:
    """Convert an address to a pointer."""
    del typing_context, address

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.uint64), generate


if config.DISABLE_JIT:

    def view(address: int, count: int, dtype: Any) -> np.ndarray:
        """Return an array that views `count` values at an address."""
        size = int(count) * np.dtype(dtype).itemsize
        memory = (ctypes.c_char * size).from_address(int(address)) if size else b""
        return np.frombuffer(memory, dtype)

    def block_scratch() -> np.ndarray:
        """Return memory for the values of one block, float32."""
        return np.empty(256, np.float32)

    def low_word(value: int) -> Any:
        """Return the last 32 bits of an integer, uint32."""
        return np.uint32(int(value) & 0xFFFFFFFF)

else:

    @njit(**INLINE)
    def view(address: Any, count: Any, dtype: Any) -> Any:
        """Return an array that views `count` values at an address."""
        return carray(pointer(address), (count,), dtype)

    @intrinsic
    def _stack(typing_context: Any) -> Any:
        """Return the address of 256 float32 values on the stack."""
        del typing_context

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del context, signature, args
            memory = cgutils.alloca_once(builder, ir.ArrayType(ir.FloatType(), 256))
            memory.align = 64
            return builder.bitcast(memory, cgutils.voidptr_t)

        return types.voidptr(), generate

    @intrinsic
    def low_word(typing_context: Any, value: Any) -> Any:
        """Return the last 32 bits of an integer, uint32.

        An empty piece of assembly hides from LLVM that they were 64. Else it would compute the
        positions of a loop's elements in 64 bits, with half as many in a vector.
        """
        del typing_context, value

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del context, signature
            word = ir.IntType(32)
            hide = ir.InlineAsm(ir.FunctionType(word, [word]), "", "=r,0", side_effect=False)
            return builder.call(hide, [builder.trunc(args[0], word)])

        return types.uint32(types.int64), generate

    @njit(**INLINE)
    def block_scratch() -> Any:
        """Return memory for the values of one block, float32."""
        return carray(_stack(), (256,), np.float32)


def _array_of(dtype: str) -> Any:
    """Return the function that views elements `start` to `start + count` of an array."""
    kind = np.dtype(dtype).type
    itemsize = np.uint64(np.dtype(dtype).itemsize)

    def array(address: Any, start: Any, count: Any) -> Any:
        return view(address + itemsize * np.uint64(start), count, kind)

    array.__name__ = f"{dtype}_array"
    array.__doc__ = f"Return elements `start` to `start + count` of the {dtype} array at `address`."
    return njit(**INLINE)(array)


RAW_TYPES = ("float32", "float64", "uint16", "int16", "int8", "uint8")
globals().update({f"{dtype}_array": _array_of(dtype) for dtype in RAW_TYPES})

if config.DISABLE_JIT:

    def _inline(function: Callable[..., Any]) -> Any:
        """Return the function; sums and products of bits may overflow in it."""

        @functools.wraps(function)
        def quiet(*arguments: Any) -> Any:
            with np.errstate(all="ignore"):
                return function(*arguments)

        return quiet

    _conversions = IN_PYTHON
else:
    _inline = njit(**INLINE)
    _conversions = compiled_conversions(intrinsic)

globals().update(encoding_functions(_inline, _conversions))
float_of = _conversions[1]
OWN = ("block_scratch", "float_of", "low_word", *(f"{dtype}_array" for dtype in RAW_TYPES))
"""Names that generated code imports, besides the encodings."""
