"""The library that generated CPU kernels import: decorators, views of memory, and functions.

A decorator compiles a kernel to a C function with a fixed signature, so that one launcher can call
the kernels of every rule through their addresses. With NUMBA_DISABLE_JIT=1 the kernels stay Python
functions that a debugger can step through.

The functions agree with NumPy: NaN propagates through `maximum`, `minimum` and `sign`.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config, njit, types
from numba.extending import intrinsic

from learnerdsl.elementary import FUNCTIONS, Function, imported
from learnerdsl.kernels import cpu_memory
from learnerdsl.kernels.cpu_math import INLINE, OPTIONS, log
from learnerdsl.kernels.cpu_memory import pointer as pointer
from learnerdsl.kernels.cpu_memory import view as view
from learnerdsl.kernels.encodings import NAMES
from learnerdsl.kernels.joining import joining_functions
from learnerdsl.kernels.machine_code import (
    KEPT_AS,
    KeptCode,
    Listing,
    assembly_with_lines,
    compile_c_function,
    compiling,
)
from learnerdsl.kernels.philox import random_functions

nan = np.float64(math.nan) if config.DISABLE_JIT else math.nan
inf = np.float64(math.inf) if config.DISABLE_JIT else math.inf
float32 = np.float32
float64 = np.float64
int32 = np.int32
int64 = np.int64
uint32 = np.uint32


def _implementation(row: Function) -> Any:
    """Return the function that Numba compiles or, without compilation, that Python calls."""
    # Functions of `math` raise errors where NumPy returns NaN or infinity.
    is_interpreted = config.DISABLE_JIT and row.cpu.startswith("math.")
    return row.of_arrays if is_interpreted else imported(row.cpu)


globals().update({row.name: _implementation(row) for row in FUNCTIONS if row.cpu})
globals().update({name: getattr(cpu_memory, name) for name in (*cpu_memory.OWN, *NAMES)})

_ROW = types.CPointer(types.float64)
_TABLE = types.CPointer(types.uint64)
_COUNT = types.int64
PASS_SIGNATURE = types.void(_TABLE, _ROW, _ROW, _COUNT, _COUNT, _COUNT, _ROW)
MODEL_SIGNATURE = types.void(_ROW)
TENSOR_SIGNATURE = types.void(_TABLE, _ROW, _ROW)

Kernel = Any


def element_pass(function: Callable[..., None]) -> Kernel:
    """Compile a sweep over one chunk: f(arrays, model, tensor, start, grad_start, count, sums).

    `arrays` holds the addresses of the tensor's arrays; `model` and `tensor` are its rows of
    scalars. The chunk has `count` elements from element `start` on, and its gradient begins at
    element `grad_start` of the gradient array. The kernel writes its partial sums to `sums`.
    """
    return compile_kernel(function, PASS_SIGNATURE)


def model_scalars(function: Callable[..., None]) -> Kernel:
    """Compile a function that computes the scalars of a model row: f(model)."""
    return compile_kernel(function, MODEL_SIGNATURE)


def tensor_scalars(function: Callable[..., None]) -> Kernel:
    """Compile a function for a tensor's scalars and axis arrays: f(arrays, model, tensor)."""
    return compile_kernel(function, TENSOR_SIGNATURE)


def compile_kernel(function: Callable[..., None], signature: Any) -> Kernel:
    """Compile a C function; return the Python function itself if compilation is disabled."""
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


def lines_of(kernel: Kernel) -> str:
    """Return the assembly of a kernel with the lines of its source; it is compiled for that once.

    This is not the code that runs, so compare its instructions with those of `listing_of`.
    """
    with compiling:
        found = kernel._cache.load_lines()
        if found is None:
            found = assembly_with_lines(kernel._pyfunc, kernel._sig, OPTIONS)
            kernel._cache.save_lines(found)
        return found


@njit(**INLINE)
def maximum(a: Any, b: Any) -> Any:
    """Return the larger value; NaN if one is NaN."""
    return a if (a > b) | (a != a) else b


@njit(**INLINE)
def minimum(a: Any, b: Any) -> Any:
    """Return the smaller value; NaN if one is NaN."""
    return a if (a < b) | (a != a) else b


join, identity = joining_functions(njit(**INLINE), maximum, minimum)


@njit(**INLINE)
def cos_of_turns(x: Any) -> Any:
    """Return the cosine of 2 pi x."""
    return math.cos(2.0 * math.pi * x)


key_of, random_key, *_uniforms, normal_float32, normal_float64 = random_functions(
    njit(**INLINE), log, cos_of_turns
)
uniform_float32, uniform_float64 = _uniforms

if config.DISABLE_JIT:

    def accumulate(total: float, value: float) -> float:
        """Return the sum of both."""
        return total + value

    def accumulate_square(total: float, value: float) -> float:
        """Return the sum of the total and the square of the value."""
        return total + value * value

    def accumulate_times(total: float, a: float, b: float) -> float:
        """Return the sum of the total and the product of the others."""
        return total + a * b

    def accumulate_product(total: float, value: float) -> float:
        """Return the product of both."""
        return total * value

    def larger(total: float, value: float) -> float:
        """Return the larger of both, where neither is NaN."""
        return value if value > total else total

    def smaller(total: float, value: float) -> float:
        """Return the smaller of both, where neither is NaN."""
        return value if value < total else total

else:

    def _code(generate: Callable[..., Any], count: int) -> tuple[Any, Any]:
        """Return the signature of a function of float64 numbers, and what generates its code."""

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del context, signature
            return generate(builder, *args)

        return types.float64(*[types.float64] * count), code

    def _of_numbers(generate: Callable[[Any, Any, Any], Any]) -> Any:
        """Return an intrinsic of two float64 numbers that LLVM can vectorise."""

        def join(typing_context: Any, total: Any, value: Any) -> Any:
            del typing_context, total, value
            return _code(generate, 2)

        return intrinsic(join)

    def _of_three(generate: Callable[[Any, Any, Any, Any], Any]) -> Any:
        """Return one of three numbers."""

        def join(typing_context: Any, total: Any, a: Any, b: Any) -> Any:
            del typing_context, total, a, b
            return _code(generate, 3)

        return intrinsic(join)

    def _chosen(sign: str) -> Any:
        """Return an intrinsic that chooses one of two numbers, neither of which may be NaN."""

        def generate(builder: Any, total: Any, value: Any) -> Any:
            is_value = builder.fcmp_ordered(sign, value, total, flags=("nnan", "nsz"))
            return builder.select(is_value, value, total, flags=("nnan", "nsz"))

        return _of_numbers(generate)

    def _with_product(builder: Any, total: Any, a: Any, b: Any) -> Any:
        """Add a product of what was float32: it is exact, so one instruction rounds as two do."""
        product = builder.fmul(a, b, flags=("contract",))
        return builder.fadd(total, product, flags=("reassoc", "contract"))

    # `reassoc` lets LLVM reorder these sums and products, which it needs to vectorise a loop.
    # Callers of `larger` and `smaller` check for NaN themselves.
    accumulate = _of_numbers(lambda builder, a, b: builder.fadd(a, b, flags=("reassoc",)))
    accumulate_square = _of_numbers(lambda builder, a, b: _with_product(builder, a, b, b))
    accumulate_times = _of_three(_with_product)
    accumulate_product = _of_numbers(lambda builder, a, b: builder.fmul(a, b, flags=("reassoc",)))
    larger = _chosen(">")
    smaller = _chosen("<")
