"""Access to device memory in kernels: typed pointers, and loads and stores of 16 bytes.

A kernel reads an address from a table and makes a typed pointer of it. The pointer is marked as one
to global memory, so that LLVM emits `ld.global` and `st.global`. In Numba's CUDA simulator the same
names are NumPy views of host memory, so that the same source runs there.
"""

import ctypes
from typing import Any

import numpy as np

from learnerdsl.kernels.packs import PACK_BYTES
from learnerdsl.kernels.simulator import SIMULATED

if SIMULATED:

    def _view(address: int, start: int, count: int, dtype: Any) -> np.ndarray:
        itemsize = np.dtype(dtype).itemsize
        memory = (ctypes.c_char * (int(count) * itemsize)).from_address(
            int(address) + int(start) * itemsize
        )
        return np.frombuffer(memory, dtype) if count else np.empty(0, dtype)

    def float32_array(address: int, start: int, count: int) -> np.ndarray:
        """Return elements `start` to `start + count` of the float32 array at `address`."""
        return _view(address, start, count, np.float32)

    def float64_array(address: int, start: int, count: int) -> np.ndarray:
        """Return elements `start` to `start + count` of the float64 array at `address`."""
        return _view(address, start, count, np.float64)

    def uint64_array(address: int, start: int, count: int) -> np.ndarray:
        """Return elements `start` to `start + count` of the uint64 array at `address`."""
        return _view(address, start, count, np.uint64)

    def int64_array(address: int, start: int, count: int) -> np.ndarray:
        """Return elements `start` to `start + count` of the int64 array at `address`."""
        return _view(address, start, count, np.int64)

    def aligned(array: np.ndarray) -> bool:
        """Return whether the array is aligned for loads and stores of 16 bytes."""
        return array.ctypes.data % PACK_BYTES == 0

    def load2(array: np.ndarray, k: int) -> Any:
        """Return elements 2k and 2k + 1 of a float64 array."""
        return tuple(array[2 * k : 2 * k + 2])

    def load4(array: np.ndarray, k: int) -> Any:
        """Return elements 4k to 4k + 3 of a float32 array."""
        return tuple(array[4 * k : 4 * k + 4])

    def store2(array: np.ndarray, k: int, a: float, b: float) -> None:
        """Write elements 2k and 2k + 1 of a float64 array."""
        array[2 * k : 2 * k + 2] = a, b

    def store4(array: np.ndarray, k: int, a: float, b: float, c: float, d: float) -> None:
        """Write elements 4k to 4k + 3 of a float32 array."""
        array[4 * k : 4 * k + 4] = a, b, c, d

else:
    from llvmlite import ir
    from numba import types
    from numba.cuda.extending import intrinsic

    _GLOBAL = 1
    """Number of the address space of global memory."""

    _LLVM = {
        "float32": ir.FloatType(),
        "float64": ir.DoubleType(),
        "uint64": ir.IntType(64),
        "int64": ir.IntType(64),
    }
    _LONG = ir.IntType(64)

    def _pointer_to(name: str) -> Any:
        """Return an intrinsic that converts an address to a typed pointer."""
        kind, itemsize = getattr(types, name), np.dtype(name).itemsize

        def view(typing_context: Any, address: Any, start: Any, count: Any) -> Any:
            del typing_context, start, count

            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                del context, signature
                offset = builder.mul(args[1], ir.Constant(_LONG, itemsize))
                place = builder.add(args[0], offset)
                pointer = builder.inttoptr(place, ir.PointerType(_LLVM[name], _GLOBAL))
                return builder.addrspacecast(pointer, ir.PointerType(_LLVM[name]))

            return types.CPointer(kind)(address, types.int64, types.int64), generate

        view.__name__ = f"{name}_array"
        view.__doc__ = f"`count` {name} values of the array at `address`, from `start` on."
        return intrinsic(view)

    float32_array = _pointer_to("float32")
    float64_array = _pointer_to("float64")
    uint64_array = _pointer_to("uint64")
    int64_array = _pointer_to("int64")

    @intrinsic
    def aligned(typing_context: Any, array: Any) -> Any:
        """Return whether the array is aligned for loads and stores of 16 bytes."""
        del typing_context

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del context, signature
            low = builder.and_(builder.ptrtoint(args[0], _LONG), ir.Constant(_LONG, PACK_BYTES - 1))
            return builder.icmp_unsigned("==", low, ir.Constant(_LONG, 0))

        return types.boolean(array), generate

    def _pack(builder: Any, pointer: Any, k: Any, name: str, length: int) -> Any:
        """Return a pointer to pack number `k` (16 bytes) of an array."""
        vector = ir.VectorType(_LLVM[name], length)
        return vector, builder.gep(builder.bitcast(pointer, ir.PointerType(vector)), [k])

    def _loader(name: str, length: int) -> Any:
        kind = getattr(types, name)

        def load(typing_context: Any, array: Any, k: Any) -> Any:
            del typing_context, array, k
            result = types.UniTuple(kind, length)

            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                _, place = _pack(builder, args[0], args[1], name, length)
                loaded = builder.load(place, align=PACK_BYTES)
                lanes = [ir.Constant(ir.IntType(32), lane) for lane in range(length)]
                values = [builder.extract_element(loaded, lane) for lane in lanes]
                return context.make_tuple(builder, signature.return_type, values)

            return result(types.CPointer(kind), types.int64), generate

        load.__name__ = f"load{length}"
        load.__doc__ = f"Values {length}k to {length}k + {length - 1} of a {name} array."
        return intrinsic(load)

    def _generate_store(name: str, length: int) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del signature
            vector, place = _pack(builder, args[0], args[1], name, length)
            packed = ir.Constant(vector, ir.Undefined)
            for lane, value in enumerate(args[2:]):
                position = ir.Constant(ir.IntType(32), lane)
                packed = builder.insert_element(packed, value, position)
            builder.store(packed, place, align=PACK_BYTES)
            return context.get_dummy_value()

        return generate

    load2 = _loader("float64", 2)
    load4 = _loader("float32", 4)

    @intrinsic
    def store2(typing_context: Any, array: Any, k: Any, a: Any, b: Any) -> Any:
        """Write elements 2k and 2k + 1 of a float64 array."""
        del typing_context, array, k, a, b
        real = types.float64
        signature = types.void(types.CPointer(real), types.int64, real, real)
        return signature, _generate_store("float64", 2)

    @intrinsic
    def store4(typing_context: Any, array: Any, k: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        """Write elements 4k to 4k + 3 of a float32 array."""
        del typing_context, array, k, a, b, c, d
        real = types.float32
        signature = types.void(types.CPointer(real), types.int64, real, real, real, real)
        return signature, _generate_store("float32", 4)
