"""Read the addresses of many tensors in one call, by the C functions that DLPack defines.

Reading an address in Python costs 50 ns, its type as much, a shape twice that. A class of tensors
may offer C functions in `__dlpack_c_exchange_api__`; PyTorch does from 2.10 on. One of them fills
in a `DLTensor`, six words of 8 bytes:

    word   0      1        2             3      4        5
    has    data   device   axes, dtype   shape  strides  offset in bytes

`Forms` compares all of it with what is expected, for 50 ns a tensor.
"""

import ctypes
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils, config
from numba.extending import intrinsic

from learnerdsl.kernels.cpu import pointer
from learnerdsl.kernels.cpu_math import OPTIONS
from learnerdsl.kernels.machine_code import KeptCode, code_of, compile_function, compiling, key_of

_settings: Any = config

HOST = 1
"""Word 1 of a tensor in the memory of the host."""

MAJOR_VERSION = 1
"""The version of DLPack that has the functions as they are called here."""

ANY_STRIDE = -1
"""Stride of an axis along which nothing is read."""

UNUSUAL = -1
"""What `Forms.read` returns if a tensor is not as expected."""

_NOTHING = np.uint64(id(None))


@lru_cache
def function_of(kind: type) -> int:
    """Return the address of the C function that describes tensors of a class; 0 if none does."""
    if _settings.DISABLE_JIT:
        return 0
    capsule = getattr(kind, "__dlpack_c_exchange_api__", None)
    if capsule is None:
        return 0
    read = ctypes.pythonapi.PyCapsule_GetPointer
    read.restype, read.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    # Two 32-bit numbers of the version, then pointers: an older table, and five functions.
    words = (ctypes.c_uint64 * 6).from_address(read(capsule, b"dlpack_exchange_api"))
    return words[5] if words[0] & 0xFFFFFFFF == MAJOR_VERSION else 0


def objects_of(tensors: Sequence[Any]) -> np.ndarray:
    """Return an array of the tensors (tensors,), whose memory holds the addresses of the objects.

    It keeps them alive.
    """
    return np.fromiter(tensors, object, len(tensors))


class Forms:
    """What the memory of some tensors has to look like.

    Args:
        function: what `function_of` returned, not 0.
        samples: for each tensor another one of its dtype; equal ones should be one object.
        shapes: shape of each tensor.
        strides: strides of each tensor, in elements.
        taken: sorted bounds of memory that the tensors must not overlap: start, end, start, end
            and so on.
    """

    def __init__(
        self,
        function: int,
        samples: Sequence[Any],
        shapes: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]],
        taken: Sequence[int] = (),
    ) -> None:
        self.function = np.uint64(function)
        self.scratch = np.zeros(6, np.uint64)
        known = {id(sample): sample for sample in samples}
        numbers = {key: self._number_of_type(sample) for key, sample in known.items()}
        own = [numbers[id(sample)] for sample in samples]
        counts = [len(shape) for shape in shapes]
        kinds = [count | number << 32 for count, number in zip(counts, own, strict=True)]
        self.kinds = np.array(kinds, np.uint64)
        self.first = np.cumsum([0, *counts])
        axes = [
            (size, ANY_STRIDE if size == 1 or 0 in shape else stride)
            for shape, own in zip(shapes, strides, strict=True)
            for size, stride in zip(shape, own, strict=True)
        ]
        self.axes = np.array(axes, np.int64).reshape(-1)
        bits = [number >> 8 & 0xFF for number in own]
        nbytes = [math.prod(s) * n // 8 for s, n in zip(shapes, bits, strict=True)]
        self.nbytes = np.array(nbytes, np.uint64)
        self.taken = np.array(taken, np.uint64)
        self.addresses = np.zeros(len(counts), np.uint64)
        self.is_there = np.zeros(len(counts), np.bool_)
        self.run = reader()

    def _number_of_type(self, tensor: Any) -> int:
        """Return the upper half of word 2 of tensors of this dtype."""
        if reader_of_one()(self.function, np.uint64(id(tensor)), self.scratch):
            return 0
        return int(self.scratch[2]) >> 32

    def read(self, objects: np.ndarray) -> int:
        """Read the addresses of tensors into `addresses`, and whether they exist into `is_there`.

        Args:
            objects: a tensor, or None, for each form (tensors,); see `objects_of`.

        Returns:
            How many are None; `UNUSUAL` if one has another form, or overlaps memory that is taken.
        """
        return self.run(
            self.function,
            np.frombuffer(objects, np.uint64),
            _NOTHING,
            self.scratch,
            self.kinds,
            self.first,
            self.axes,
            self.nbytes,
            self.taken,
            self.addresses,
            self.is_there,
        )


@intrinsic
def _describe(typing_context: Any, function: Any, tensor: Any, words: Any) -> Any:
    """Call a C function (tensor, words) that returns 0, or sets an error, which is cleared."""
    del typing_context, function, tensor, words

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        del context, signature
        place, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(number, [place, place]).as_pointer()
        target = builder.inttoptr(args[0], kind)
        failed = builder.call(target, [builder.inttoptr(a, place) for a in args[1:]])
        with builder.if_then(cgutils.is_not_null(builder, failed), likely=False):
            nothing = ir.FunctionType(ir.VoidType(), [])
            clear = cgutils.get_or_insert_function(builder.module, nothing, "PyErr_Clear")
            builder.call(clear, [])
        return builder.sext(failed, ir.IntType(64))

    return types.int64(types.uint64, types.uint64, types.uint64), generate


@njit(**OPTIONS)
def _has_form(words: Any, first: int, last: int, axes: Any) -> bool:
    """Return whether a tensor has the sizes and strides `axes` of the axes `first` to `last`."""
    shape = carray(pointer(words[3]), (last - first,), np.int64)
    strides = carray(pointer(words[4]), (last - first,), np.int64)
    for axis in range(last - first):
        size, stride = axes[2 * (first + axis)], axes[2 * (first + axis) + 1]
        if shape[axis] != size or (stride != ANY_STRIDE and strides[axis] != stride):
            return False
    return True


@njit(**OPTIONS)
def _overlaps(address: Any, end: Any, taken: Any) -> bool:
    """Return whether memory that is not empty meets a part between two bounds."""
    # Bounds alternate: start, end. An even number of them at or below an address is a gap.
    below = np.searchsorted(taken, address, side="right")
    return below % 2 == 1 or (below < len(taken) and taken[below] < end)


def read_one(function: Any, tensor: Any, words: Any) -> int:
    """Describe one tensor; return 0 if that was possible."""
    return _describe(function, tensor, np.uint64(words.ctypes.data))


def read_all(
    function: Any,
    tensors: Any,
    nothing: Any,
    words: Any,
    kinds: Any,
    first: Any,
    axes: Any,
    nbytes: Any,
    taken: Any,
    addresses: Any,
    is_there: Any,
) -> int:
    """Do what `Forms.read` says."""
    missing = 0
    place = np.uint64(words.ctypes.data)
    for k in range(len(tensors)):
        is_there[k] = tensors[k] != nothing
        if not is_there[k]:
            missing += 1
            continue
        if _describe(function, tensors[k], place) != 0:
            return UNUSUAL
        is_right = words[1] == HOST and words[2] == kinds[k]
        if not is_right or not _has_form(words, first[k], first[k + 1], axes):
            return UNUSUAL
        address = words[0] + words[5]
        # Gradients often have the memory of the last update, which has been compared.
        is_new = address != addresses[k] and nbytes[k] != 0
        if is_new and (address == 0 or _overlaps(address, address + nbytes[k], taken)):
            return UNUSUAL
        addresses[k] = address
    return missing


_TABLES = "uint64[::1]"
_FORMS = "uint64[::1], int64[::1], int64[::1], uint64[::1], uint64[::1], uint64[::1], boolean[::1]"


@lru_cache(maxsize=1)
def reader() -> Callable[..., int]:
    """Return `read_all`, compiled now or loaded from disk."""
    return _compiled(read_all, f"int64(uint64, uint64[::1], uint64, uint64[::1], {_FORMS})")


@lru_cache(maxsize=1)
def reader_of_one() -> Callable[..., int]:
    """Return `read_one`, compiled now or loaded from disk."""
    return _compiled(read_one, "int64(uint64, uint64, uint64[::1])")


def _compiled(function: Callable[..., int], signature: str) -> Callable[..., int]:
    # It must not release the GIL, since it calls functions of Python objects.
    key = key_of(code_of(__name__).decode(errors="replace"))
    with compiling:
        return compile_function(
            function, signature, dict(OPTIONS), KeptCode(function, f"read-{key[:16]}", key)
        )
