"""Access to device memory in kernels: typed pointers, and loads and stores of packs of elements.

A kernel reads an address from a table and makes a typed pointer of it. The pointer is marked as one
to global memory, so that LLVM emits `ld.global` and `st.global`. In Numba's CUDA simulator the same
names are NumPy views of host memory, so that the same source runs there.

A pack is some neighbouring elements of an array. It is read and written by as few instructions of
at most 16 bytes as possible: 4 elements of float32 by one, 8 by two, 8 of 16 bits by one.
"""

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np

from learnerdsl.kernels.packs import PACK_BYTES
from learnerdsl.kernels.simulator import SIMULATED

if SIMULATED:

    def _pointer_to(name: str) -> Any:
        """Return the function that views elements of an array as this type."""
        dtype = np.dtype(name)

        def view(address: int, start: int, count: int) -> np.ndarray:
            if not count:
                return np.empty(0, dtype)
            first = int(address) + int(start) * dtype.itemsize
            memory: Any = (ctypes.c_char * (int(count) * dtype.itemsize)).from_address(first)
            return np.frombuffer(memory, dtype)

        return view

    def aligned(array: np.ndarray) -> bool:
        """Return whether the array is aligned for loads and stores of 16 bytes."""
        return array.ctypes.data % PACK_BYTES == 0

    def load8_within(array: np.ndarray, k: int, count: int) -> Any:
        """Return elements 8k to 8k + 7 of an array, and 0 for those that it does not have."""
        found = array[8 * k : min(8 * k + 8, count)]
        return (*found, *[array.dtype.type(0)] * (8 - len(found)))

    def store8_within(array: np.ndarray, k: int, count: int, *values: Any) -> None:
        """Write elements 8k to 8k + 7 of an array, as far as it has them."""
        stop = min(8 * k + 8, count)
        array[8 * k : stop] = values[: max(0, stop - 8 * k)]

    def _loader(length: int) -> Any:
        """Return the function that loads pack number k of an array."""
        return lambda array, k: tuple(array[length * k : length * (k + 1)])

    def _store(array: np.ndarray, k: int, *values: Any) -> None:
        """Write the elements of pack number k of an array."""
        array[len(values) * k : len(values) * (k + 1)] = values

    store2 = store4 = store8 = _store

else:
    from llvmlite import ir
    from numba import types
    from numba.cuda.extending import intrinsic

    _GLOBAL = 1
    """Number of the address space of global memory."""

    _FLOATS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}
    _LONG, _WORD = ir.IntType(64), ir.IntType(32)

    def _llvm(name: str) -> Any:
        """Return the LLVM type of a number type."""
        return _FLOATS.get(name) or ir.IntType(8 * np.dtype(name).itemsize)

    def _pointer_to(name: str) -> Any:
        """Return an intrinsic that converts an address to a typed pointer."""
        kind, itemsize = getattr(types, name), np.dtype(name).itemsize

        def view(typing_context: Any, address: Any, start: Any, count: Any) -> Any:
            del typing_context, start, count

            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                del context, signature
                offset = builder.mul(args[1], ir.Constant(_LONG, itemsize))
                place = builder.add(args[0], offset)
                pointer = builder.inttoptr(place, ir.PointerType(_llvm(name), _GLOBAL))
                return builder.addrspacecast(pointer, ir.PointerType(_llvm(name)))

            return types.CPointer(kind)(address, types.int64, types.int64), generate

        view.__name__ = f"{name}_array"
        view.__doc__ = f"`count` {name} values of the array at `address`, from `start` on."
        return intrinsic(view)

    @intrinsic
    def aligned(typing_context: Any, array: Any) -> Any:
        """Return whether the array is aligned for loads and stores of 16 bytes."""
        del typing_context

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del context, signature
            return _is_aligned(builder, args[0])

        return types.boolean(array), generate

    def _is_aligned(builder: Any, pointer: Any) -> Any:
        low = builder.and_(builder.ptrtoint(pointer, _LONG), ir.Constant(_LONG, PACK_BYTES - 1))
        return builder.icmp_unsigned("==", low, ir.Constant(_LONG, 0))

    def _places(builder: Any, array: Any, pointer: Any, k: Any, length: int) -> Any:
        """Return the pointers to the vectors that make up pack number `k` of an array.

        Numbers narrower than a register are taken from words of 32 bits.
        """
        itemsize = array.dtype.bitwidth // 8
        nbytes = min(PACK_BYTES, itemsize * length)
        kind, own = (_llvm(array.dtype.name), itemsize) if itemsize >= 4 else (_WORD, 4)
        first = builder.bitcast(pointer, ir.PointerType(ir.VectorType(kind, nbytes // own)))
        count = itemsize * length // nbytes
        if count > 1:
            k = builder.mul(k, ir.Constant(_LONG, count))
        numbers = [builder.add(k, ir.Constant(_LONG, j)) if j else k for j in range(count)]
        return [builder.gep(first, [number]) for number in numbers], nbytes

    def _lane(number: int) -> Any:
        return ir.Constant(_WORD, number)

    def _loaded(builder: Any, array: Any, pointer: Any, k: Any, length: int) -> list[Any]:
        """Return the elements of a pack."""
        places, nbytes = _places(builder, array, pointer, k, length)
        loaded = [builder.load(place, align=nbytes) for place in places]
        found = [
            builder.extract_element(vector, _lane(lane))
            for vector in loaded
            for lane in range(vector.type.count)
        ]
        bits = array.dtype.bitwidth
        if bits < 32:
            shifts = [ir.Constant(_WORD, shift) for shift in range(0, 32, bits)]
            shifted = [builder.lshr(word, shift) for word in found for shift in shifts]
            found = [builder.trunc(word, ir.IntType(bits)) for word in shifted]
        return found

    def _loader(length: int) -> Any:
        """Return the intrinsic that loads pack number k of an array."""

        def load(typing_context: Any, array: Any, k: Any) -> Any:
            del typing_context, k

            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                found = _loaded(builder, array, *args, length)
                return context.make_tuple(builder, signature.return_type, found)

            return types.UniTuple(array.dtype, length)(array, types.int64), generate

        load.__name__ = f"load{length}"
        load.__doc__ = f"Return elements {length}k to {length}k + {length - 1} of an array."
        return intrinsic(load)

    def _storer(array: Any, length: int) -> Any:
        """Return the signature and the code of a store of `length` elements."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del signature
            _put(builder, array, *args[:2], list(args[2:]))
            return context.get_dummy_value()

        return types.void(array, types.int64, *[array.dtype] * length), generate

    def _put(builder: Any, array: Any, pointer: Any, k: Any, values: list[Any]) -> None:
        """Store the elements of a pack."""
        places, nbytes = _places(builder, array, pointer, k, len(values))
        if array.dtype.bitwidth < 32:
            values = _words(builder, values, array.dtype.bitwidth)
        count = len(values) // len(places)
        for j, place in enumerate(places):
            packed = ir.Constant(place.type.pointee, ir.Undefined)
            for lane, value in enumerate(values[count * j : count * (j + 1)]):
                packed = builder.insert_element(packed, value, _lane(lane))
            builder.store(packed, place, align=nbytes)

    def _words(builder: Any, values: Any, bits: int) -> Any:
        """Return words of 32 bits with narrow numbers, the first in the lowest bits."""
        words: list[Any] = []
        for number, value in enumerate(values):
            word, shift = builder.zext(value, _WORD), number * bits % 32
            if shift:
                shifted = builder.shl(word, ir.Constant(_WORD, shift))
                words[-1] = builder.or_(words[-1], shifted)
            else:
                words.append(word)
        return words

    @intrinsic
    def store2(typing_context: Any, array: Any, k: Any, a: Any, b: Any) -> Any:
        """Write elements 2k and 2k + 1 of an array."""
        del typing_context, k, a, b
        return _storer(array, 2)

    @intrinsic
    def store4(typing_context: Any, array: Any, k: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        """Write elements 4k to 4k + 3 of an array."""
        del typing_context, k, a, b, c, d
        return _storer(array, 4)

    @intrinsic
    def store8(
        typing_context: Any,
        array: Any,
        k: Any,
        a: Any,
        b: Any,
        c: Any,
        d: Any,
        e: Any,
        f: Any,
        g: Any,
        h: Any,
    ) -> Any:
        """Write elements 8k to 8k + 7 of an array."""
        del typing_context, k, a, b, c, d, e, f, g, h
        return _storer(array, 8)

    def _is_whole(builder: Any, pointer: Any, first: Any, count: Any) -> Any:
        """Return whether the pack from element `first` on is aligned and has all its elements."""
        end = builder.add(first, ir.Constant(_LONG, 8))
        fits = builder.icmp_signed("<=", end, count)
        return builder.and_(_is_aligned(builder, pointer), fits)

    def _each(builder: Any, pointer: Any, first: Any, count: Any) -> Iterator[tuple[Any, Any]]:
        """Yield for each element of a pack its place and whether the array has it."""
        for lane in range(8):
            i = builder.add(first, ir.Constant(_LONG, lane))
            yield builder.gep(pointer, [i]), builder.icmp_signed("<", i, count)

    @intrinsic
    def load8_within(typing_context: Any, array: Any, k: Any, count: Any) -> Any:
        """Return elements 8k to 8k + 7 of an array, and 0 for those that it does not have."""
        del typing_context, k, count

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer, k, count = args
            first = builder.mul(k, ir.Constant(_LONG, 8))
            zero = ir.Constant(pointer.type.pointee, 0)
            with builder.if_else(_is_whole(builder, pointer, first, count)) as (then, otherwise):
                with then:
                    whole = _loaded(builder, array, pointer, k, 8)
                    after_whole = builder.block
                with otherwise:
                    single: list[Any] = []
                    for place, is_there in _each(builder, pointer, first, count):
                        before = builder.block
                        with builder.if_then(is_there):
                            value, after = builder.load(place), builder.block
                        single.append(_joined(builder, (zero, before), (value, after)))
                    after_single = builder.block
            found = [
                _joined(builder, (a, after_whole), (b, after_single))
                for a, b in zip(whole, single, strict=True)
            ]
            return context.make_tuple(builder, signature.return_type, found)

        return types.UniTuple(array.dtype, 8)(array, types.int64, types.int64), generate

    def _joined(builder: Any, *incoming: tuple[Any, Any]) -> Any:
        """Return the value that comes from the block which ran before, of (value, block) pairs."""
        phi = builder.phi(incoming[0][0].type)
        for value, block in incoming:
            phi.add_incoming(value, block)
        return phi

    @intrinsic
    def store8_within(
        typing_context: Any,
        array: Any,
        k: Any,
        count: Any,
        a: Any,
        b: Any,
        c: Any,
        d: Any,
        e: Any,
        f: Any,
        g: Any,
        h: Any,
    ) -> Any:
        """Write elements 8k to 8k + 7 of an array, as far as it has them."""
        del typing_context, k, count, a, b, c, d, e, f, g, h

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            del signature
            pointer, k, count, *values = args
            first = builder.mul(k, ir.Constant(_LONG, 8))
            with builder.if_else(_is_whole(builder, pointer, first, count)) as (then, otherwise):
                with then:
                    _put(builder, array, pointer, k, values)
                with otherwise:
                    places = _each(builder, pointer, first, count)
                    for value, (place, is_there) in zip(values, places, strict=True):
                        with builder.if_then(is_there):
                            builder.store(value, place)
            return context.get_dummy_value()

        return types.void(array, types.int64, types.int64, *[array.dtype] * 8), generate


load2, load4, load8 = map(_loader, (2, 4, 8))
float32_array, float64_array = map(_pointer_to, ("float32", "float64"))
uint16_array, int16_array = map(_pointer_to, ("uint16", "int16"))
uint8_array, int8_array = map(_pointer_to, ("uint8", "int8"))
uint64_array, int64_array = map(_pointer_to, ("uint64", "int64"))


NAMES = (
    *("load8_within", "store8_within"),
    *("aligned", "load2", "load4", "load8", "store2", "store4", "store8"),
    *("float32_array", "float64_array", "uint16_array", "int16_array"),
    *("uint8_array", "int8_array"),
)
"""Names that generated code imports."""
