"""Elementary functions for CUDA kernels that Numba lacks, or defines differently from NumPy.

NaN propagates through `maximum`, `minimum` and `sign`. All other functions come from Python's
`math`, which Numba maps to NVIDIA's libdevice in the type of the argument. In Numba's CUDA
simulator, all of them are NumPy's.
"""

from typing import Any

import numpy as np

from learnerdsl.elementary import FUNCTIONS, imported
from learnerdsl.kernels.simulator import SIMULATED

if SIMULATED:
    maximum, minimum = np.maximum, np.minimum
    globals().update({row.name: row.of_arrays for row in FUNCTIONS if row.cuda})

    rint = np.rint

    def cos_of_turns(x: Any) -> Any:
        """Return the cosine of 2 pi x."""
        return np.cos(2.0 * np.pi * x)

    def narrowed(x: Any) -> Any:
        """Convert a float64 scalar to float32."""
        return np.float32(x)

else:
    from llvmlite import ir
    from numba import cuda, types
    from numba.cuda import cgutils
    from numba.cuda.extending import intrinsic

    def _wider(a: Any, b: Any) -> Any:
        return types.float64 if types.float64 in (a, b) else types.float32

    def _extreme(name: str, comparison: str) -> Any:
        """Return an intrinsic that chooses `a` if the comparison holds or `a` is NaN, else `b`."""

        def choose(typing_context: Any, a: Any, b: Any) -> Any:
            del typing_context

            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                del context, signature
                is_first = builder.fcmp_ordered(comparison, *args)
                is_nan = builder.fcmp_unordered("uno", args[0], args[0])
                return builder.select(builder.or_(is_first, is_nan), *args)

            kind = _wider(a, b)
            return kind(kind, kind), generate

        choose.__name__ = name
        return intrinsic(choose)

    maximum = _extreme("maximum", ">")
    minimum = _extreme("minimum", "<")

    @intrinsic
    def narrowed(typing_context: Any, x: Any) -> Any:
        """Convert a float64 scalar to float32 at this place in the code.

        LLVM would move an ordinary conversion to where the scalar is used. For a scalar that only
        one branch of a choice uses, this is inside the loop over elements.
        """
        del typing_context, x

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del context, signature
            kind = ir.FunctionType(ir.FloatType(), [ir.DoubleType()])
            text = "cvt.rn.f32.f64 $0, $1;"
            return builder.call(ir.InlineAsm(kind, text, "=f,d", side_effect=True), args)

        return types.float32(types.float64), generate

    @intrinsic
    def sign(typing_context: Any, x: Any) -> Any:
        """Return -1, 0 or 1; 0 also for -0, and NaN for NaN."""
        del typing_context

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del context, signature
            (value,) = args
            zero, one = ir.Constant(value.type, 0.0), ir.Constant(value.type, 1.0)
            minus = ir.Constant(value.type, -1.0)
            zero_or_nan = builder.fadd(value, zero)
            below = builder.select(builder.fcmp_ordered("<", value, zero), minus, zero_or_nan)
            return builder.select(builder.fcmp_ordered(">", value, zero), one, below)

        return x(x), generate

    def _libdevice(name: str) -> Any:
        """Return an intrinsic that calls the function of libdevice with this name."""

        def call(typing_context: Any, x: Any) -> Any:
            del typing_context

            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                del context, signature
                kind = ir.FunctionType(args[0].type, [args[0].type])
                symbol = f"__nv_{name}" if x == types.float64 else f"__nv_{name}f"
                function = cgutils.get_or_insert_function(builder.module, kind, symbol)
                return builder.call(function, args)

            return x(x), generate

        call.__name__ = name
        return intrinsic(call)

    for _row in FUNCTIONS:
        if _row.cuda.startswith("libdevice."):
            globals()[_row.name] = _libdevice(_row.cuda.removeprefix("libdevice."))
        elif _row.cuda:
            globals()[_row.name] = imported(_row.cuda)

    rint = _libdevice("rint")
    _cos_of_half_turns = _libdevice("cospi")

    @cuda.jit(device=True, inline="always")
    def cos_of_turns(x: Any) -> Any:
        """Return the cosine of 2 pi x; a general cosine would need local memory."""
        return _cos_of_half_turns(2.0 * x)
