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
from enum import IntEnum
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


class Field(IntEnum):
    """Fields of a frame, which says what tensors have to look like: numbers and addresses."""

    FUNCTION = 0  # the C function that describes a tensor
    NOTHING = 1  # the address of None
    WORDS = 2  # uint64 (6): the description of a tensor
    KINDS = 3  # uint64 (tensors): word 2 of each
    FIRST = 4  # int64 (tensors + 1): first axis of each
    AXES = 5  # int64 (axes, 2): size, and stride in elements
    NBYTES = 6  # uint64 (tensors)
    TAKEN = 7  # uint64 (bounds), sorted
    BOUNDS = 8  # their number
    ADDRESSES = 9  # uint64 (tensors): read, or expected
    IS_FIXED = 10  # whether addresses are expected
    IS_THERE = 11  # uint8 (tensors)
    DEVICE = 12  # word 1 of every tensor: where their memory is
    FIELDS = 13


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
    """Return the addresses of the tensors as objects of Python (tensors,), uint64.

    The array keeps the tensors alive.
    """
    return np.frombuffer(np.fromiter(tensors, object, len(tensors)), np.uint64)


def number_of_type(function: int, tensor: Any) -> int:
    """Return the upper half of word 2 of a tensor: a number for its dtype."""
    return words_of(function, tensor)[2] >> 32


def words_of(function: int, tensor: Any) -> Sequence[int]:
    """Return the description of a tensor, six words."""
    words = (ctypes.c_uint64 * 6)()
    describe = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)(function)
    describe(tensor, ctypes.addressof(words))
    return words


class Forms:
    """What the memory of some tensors has to look like.

    Args:
        function: what `function_of` returned, not 0.
        samples: for each tensor another one of its dtype; equal ones should be one object.
        shapes: shape of each tensor.
        strides: strides of each tensor, in elements.
        taken: sorted bounds of memory that the tensors must not overlap: start, end, start, end
            and so on.
        places: the address of each tensor; None if it may change.
        device: a tensor on the device where all have to be; None for the memory of the host.

    Attributes:
        addresses: the addresses that `read` has found (tensors,), uint64.
        is_there: whether `read` has found a tensor and not None (tensors,), bool.
    """

    def __init__(
        self,
        function: int,
        samples: Sequence[Any],
        shapes: Sequence[Sequence[int]],
        strides: Sequence[Sequence[int]],
        taken: Sequence[int] = (),
        places: Sequence[int] | None = None,
        device: Any = None,
    ) -> None:
        count = len(shapes)
        self.frame = np.zeros(Field.FIELDS, np.uint64)
        self.frame[Field.FUNCTION] = function
        self.frame[Field.NOTHING] = id(None)
        known = {id(sample): sample for sample in samples}
        of_samples = {key: number_of_type(function, sample) for key, sample in known.items()}
        numbers = [of_samples[id(sample)] for sample in samples]
        axes = [
            (size, ANY_STRIDE if size == 1 or 0 in shape else stride)
            for shape, own in zip(shapes, strides, strict=True)
            for size, stride in zip(shape, own, strict=True)
        ]
        nbytes = [
            math.prod(shape) * (number >> 8 & 0xFF) // 8
            for shape, number in zip(shapes, numbers, strict=True)
        ]
        kinds = [len(shape) | number << 32 for shape, number in zip(shapes, numbers, strict=True)]
        self.addresses = np.array([0] * count if places is None else places, np.uint64)
        self.is_there = np.ones(count, np.bool_)
        self.tables: dict[Field, np.ndarray] = {
            Field.WORDS: np.zeros(6, np.uint64),
            Field.KINDS: np.array(kinds, np.uint64),
            Field.FIRST: np.cumsum([0, *map(len, shapes)]).astype(np.int64),
            Field.AXES: np.array(axes, np.int64),
            Field.NBYTES: np.array(nbytes, np.uint64),
            Field.TAKEN: np.array(taken, np.uint64),
            Field.ADDRESSES: self.addresses,
            Field.IS_THERE: self.is_there,
        }
        for field, table in self.tables.items():
            self.frame[field] = table.ctypes.data
        self.frame[Field.BOUNDS] = len(taken)
        self.frame[Field.IS_FIXED] = places is not None
        self.frame[Field.DEVICE] = HOST if device is None else words_of(function, device)[1]
        self.run = reader()

    def read(self, objects: np.ndarray) -> int:
        """Read the addresses of tensors into `addresses`, and whether they exist into `is_there`.

        Args:
            objects: a tensor, or None, for each form (tensors,); see `objects_of`.

        Returns:
            How many are None; `UNUSUAL` if one has another form, or overlaps memory that is taken.
        """
        return self.run(self.frame, objects)


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


def read_all(frame: Any, objects: Any) -> int:
    """Do what `Forms.read` says."""
    count = len(objects)
    words = carray(pointer(frame[Field.WORDS]), (6,), np.uint64)
    kinds = carray(pointer(frame[Field.KINDS]), (count,), np.uint64)
    first = carray(pointer(frame[Field.FIRST]), (count + 1,), np.int64)
    axes = carray(pointer(frame[Field.AXES]), (2 * first[count],), np.int64)
    nbytes = carray(pointer(frame[Field.NBYTES]), (count,), np.uint64)
    taken = carray(pointer(frame[Field.TAKEN]), (np.int64(frame[Field.BOUNDS]),), np.uint64)
    addresses = carray(pointer(frame[Field.ADDRESSES]), (count,), np.uint64)
    is_there = carray(pointer(frame[Field.IS_THERE]), (count,), np.uint8)
    missing = 0
    for k in range(count):
        is_there[k] = objects[k] != frame[Field.NOTHING]
        if not is_there[k]:
            missing += 1
            continue
        if _describe(frame[Field.FUNCTION], objects[k], frame[Field.WORDS]) != 0:
            return UNUSUAL
        is_right = words[1] == frame[Field.DEVICE] and words[2] == kinds[k]
        if not is_right or not _has_form(words, first[k], first[k + 1], axes):
            return UNUSUAL
        address = words[0] + words[5]
        # Gradients often have the memory of the last update, which has been compared.
        is_new = address != addresses[k] and nbytes[k] != 0
        if is_new and (frame[Field.IS_FIXED] != 0 or address == 0):
            return UNUSUAL
        if is_new and _overlaps(address, address + nbytes[k], taken):
            return UNUSUAL
        addresses[k] = address
    return missing


@lru_cache(maxsize=1)
def reader() -> Callable[[np.ndarray, np.ndarray], int]:
    """Return `read_all`, compiled now or loaded from disk."""
    key = key_of(code_of(__name__).decode(errors="replace"))
    kept = KeptCode(read_all, f"read-{key[:16]}", key)
    with compiling:
        # It must not release the GIL, since it calls functions of Python objects.
        return compile_function(read_all, "int64(uint64[::1], uint64[::1])", dict(OPTIONS), kept)
