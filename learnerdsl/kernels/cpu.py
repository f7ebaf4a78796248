"""What generated kernels import: decorators with the calling convention, views, and functions.

A kernel is compiled once to a C function with a fixed signature, so that one launcher can call the
kernels of every rule through their addresses. With NUMBA_DISABLE_JIT=1 the kernels stay Python
functions that a debugger can step through.

The functions say what NumPy says: NaN propagates through `maximum`, `minimum` and `sign`.
"""

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray, config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from learnerdsl.elementary import FUNCTIONS
from learnerdsl.kernels.cpu_math import INLINE, OPTIONS, log
from learnerdsl.kernels.machine_code import (
    KEPT_AS,
    KeptCode,
    Listing,
    compile_c_function,
    compiling,
)
from learnerdsl.kernels.philox import random_functions
from learnerdsl.monoids import MAX, MIN, PROD

nan = np.float64(math.nan) if config.DISABLE_JIT else math.nan
inf = np.float64(math.inf) if config.DISABLE_JIT else math.inf
float32 = np.float32
float64 = np.float64
int64 = np.int64

for _row in FUNCTIONS:
    # Python's own functions raise errors where the answer is NaN or infinite; NumPy's do not.
    is_interpreted = config.DISABLE_JIT and _row.cpu.startswith("math.")
    globals()[_row.name] = _row.of_arrays if is_interpreted else _row.for_cpu()

_MAX, _MIN, _PROD = MAX.code, MIN.code, PROD.code

_ROW = types.CPointer(types.float64)
_TABLE = types.CPointer(types.uint64)
_COUNT = types.int64
PASS_SIGNATURE = types.void(_TABLE, _ROW, _ROW, _COUNT, _COUNT, _COUNT, _ROW)
MODEL_SIGNATURE = types.void(_ROW)
TENSOR_SIGNATURE = types.void(_TABLE, _ROW, _ROW)

Kernel = Any


def element_pass(function: Callable[..., None]) -> Kernel:
    """A pass over one chunk: f(arrays, model, tensor, start, grad_start, count, sums).

    `arrays` are the addresses of the tensor's arrays, `model` and `tensor` its scalar rows, `start`
    and `count` the chunk, `grad_start` where its gradients start, `sums` takes the chunk's sums.
    """
    return compile_kernel(function, PASS_SIGNATURE)


def model_scalars(function: Callable[..., None]) -> Kernel:
    """Scalars of the model: f(model)."""
    return compile_kernel(function, MODEL_SIGNATURE)


def tensor_scalars(function: Callable[..., None]) -> Kernel:
    """Scalars of one tensor, and values for indices of its axes: f(arrays, model, tensor)."""
    return compile_kernel(function, TENSOR_SIGNATURE)


def compile_kernel(function: Callable[..., None], signature: Any) -> Kernel:
    """Return a C function of this signature; the Python function if compilation is disabled."""
    if config.DISABLE_JIT:
        return function
    kept = KeptCode(function, *function.__globals__[KEPT_AS], is_listed=True)
    return compile_c_function(function, signature, OPTIONS, kept)


def listing_of(kernel: Kernel) -> Listing:
    """Return the listing of a kernel; compile it again only if none was kept with its code."""
    with compiling:
        if not kernel.cache_hits:
            return Listing.of(kernel._library)
        found = kernel._cache.load_listing()
        if found is None:
            again = compile_c_function(kernel._pyfunc, kernel._sig, OPTIONS, None)
            found = Listing.of(again._library)
            kernel._cache.save_listing(found)
        return found


@intrinsic
def pointer(typing_context: Any, address: Any) -> Any:
    """An address as a pointer."""
    del typing_context, address

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.uint64), generate


if config.DISABLE_JIT:

    def view(address: int, count: int, dtype: Any) -> np.ndarray:
        """The array of `count` values at an address."""
        size = int(count) * np.dtype(dtype).itemsize
        memory = (ctypes.c_char * size).from_address(int(address)) if size else b""
        return np.frombuffer(memory, dtype)

else:

    @njit(**INLINE)
    def view(address: Any, count: Any, dtype: Any) -> Any:
        """The array of `count` values at an address."""
        return carray(pointer(address), (count,), dtype)


@njit(**INLINE)
def float32_array(address: Any, start: Any, count: Any) -> Any:
    """`count` float32 values of the array at `address`, from number `start` on."""
    return view(address + np.uint64(4) * np.uint64(start), count, np.float32)


@njit(**INLINE)
def float64_array(address: Any, start: Any, count: Any) -> Any:
    """`count` float64 values of the array at `address`, from number `start` on."""
    return view(address + np.uint64(8) * np.uint64(start), count, np.float64)


@njit(**INLINE)
def maximum(a: Any, b: Any) -> Any:
    """The larger value; NaN if one is NaN."""
    return a if (a > b) | (a != a) else b


@njit(**INLINE)
def minimum(a: Any, b: Any) -> Any:
    """The smaller value; NaN if one is NaN."""
    return a if (a < b) | (a != a) else b


@njit(**INLINE)
def join(a: Any, b: Any, code: Any) -> Any:
    """Return two values joined by the monoid of this code."""
    if code == _MAX:
        return maximum(a, b)
    if code == _MIN:
        return minimum(a, b)
    return a * b if code == _PROD else a + b


@njit(**INLINE)
def identity(code: Any) -> Any:
    """Return the identity element of the monoid of this code."""
    if code == _MAX:
        return -math.inf
    if code == _MIN:
        return math.inf
    return 1.0 if code == _PROD else 0.0


@njit(**INLINE)
def cos_of_turns(x: Any) -> Any:
    """The cosine of 2 pi x."""
    return math.cos(2.0 * math.pi * x)


random_key, uniform_float32, uniform_float64, normal_float32, normal_float64 = random_functions(
    njit(**INLINE), log, cos_of_turns
)

if config.DISABLE_JIT:

    def accumulate(total: float, value: float) -> float:
        """Return the sum of both."""
        return total + value

    def multiply(total: float, value: float) -> float:
        """Return the product of both."""
        return total * value

    def larger(total: float, value: float) -> float:
        """Return the larger of both, where neither is NaN."""
        return value if value > total else total

    def smaller(total: float, value: float) -> float:
        """Return the smaller of both, where neither is NaN."""
        return value if value < total else total

else:

    def _of_numbers(generate: Callable[[Any, Any, Any], Any]) -> Any:
        """Return an intrinsic of two float64 numbers that LLVM can do for several at once."""

        def join(typing_context: Any, total: Any, value: Any) -> Any:
            del typing_context, total, value

            def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                del context, signature
                return generate(builder, *args)

            return types.float64(types.float64, types.float64), code

        return intrinsic(join)

    def _chosen(sign: str) -> Any:
        """Return an intrinsic that chooses between two numbers of which neither is NaN."""

        def generate(builder: Any, total: Any, value: Any) -> Any:
            is_value = builder.fcmp_ordered(sign, value, total, flags=("nnan", "nsz"))
            return builder.select(is_value, value, total, flags=("nnan", "nsz"))

        return _of_numbers(generate)

    # LLVM may change the order of such sums and products; the caller of `larger` and `smaller`
    # looks for NaN itself.
    accumulate = _of_numbers(lambda builder, a, b: builder.fadd(a, b, flags=("reassoc",)))
    multiply = _of_numbers(lambda builder, a, b: builder.fmul(a, b, flags=("reassoc",)))
    larger = _chosen(">")
    smaller = _chosen("<")
