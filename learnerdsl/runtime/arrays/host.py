"""NumPy arrays: checks that they can be updated in place, addresses, and memory of states."""

import ctypes
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, NoReturn

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.ma import MaskedArray

from learnerdsl.errors import ArrayError, DtypeError
from learnerdsl.runtime.arrays.nested import flattened
from learnerdsl.runtime.arrays.sparse import RowSparse
from learnerdsl.storage import Storage, number_type

CACHE_LINE = 64
PAGE = 4096
SHIFT = 7 * CACHE_LINE
"""Bytes between the starts of two arrays of a tensor, within a page. Being odd in cache lines, it
puts 64 arrays into different sets of the cache."""

Name = str | int
Arrays = Mapping[str, np.ndarray] | Sequence[np.ndarray]
Span = tuple[int, int, Name]
"""First byte of an array, its end (one past the last byte), and the parameter that it is or
belongs to."""
Gradient = np.ndarray | RowSparse
Gradients = Mapping[str, Gradient | None] | Sequence[Gradient | None]


def named_arrays(arrays: Any, what: str) -> dict[Name, Any]:
    """Return a dict of the arrays; the keys of a sequence are numbers from 0, nested ones paths."""
    arrays = flattened(arrays)
    if isinstance(arrays, np.ndarray):
        msg = f"{what} must be a dict or a sequence of arrays, got one array; write [array]."
        raise ArrayError(msg)
    if isinstance(arrays, Mapping):
        return dict(arrays)
    if isinstance(arrays, Sequence) and not isinstance(arrays, str):
        return dict(enumerate(arrays))
    msg = f"{what} must be a dict or a sequence of NumPy arrays, got {type(arrays).__name__}."
    raise ArrayError(msg)


def check_parameters(arrays: dict[Name, np.ndarray]) -> list[Storage]:
    """Check that these arrays can be updated in place by one learner; return their number types.

    Raises:
        ArrayError: there are no arrays, one cannot be written in place, or two overlap.
        DtypeError: a dtype is not supported.
    """
    if not arrays:
        msg = "A learner needs at least one parameter array, got none."
        raise ArrayError(msg)
    found: list[Storage] = []
    known: dict[Any, Storage] = {}
    for name, array in arrays.items():
        _check_array(array, f"Parameter {name!r}")
        if array.dtype not in known:
            known[array.dtype] = number_type(array.dtype, f"Parameter {name!r}")
        found.append(known[array.dtype])
    refuse_overlap([(*span_of(array), name) for name, array in arrays.items()])
    return found


def refuse_overlap(spans: Sequence[Span]) -> None:
    """Raise if two parameters share memory."""
    for (_, end, first), (start, _, second) in pairwise(sorted(spans, key=itemgetter(0, 1))):
        if start < end:
            msg = (
                f"Parameters {first!r} and {second!r} overlap in memory; pass one of them, or "
                "give each memory of its own where it is created."
            )
            raise ArrayError(msg)


def _check_array(array: Any, what: str) -> None:
    """Raise if an array cannot be updated in place.

    The message must not suggest a copy, since then the copy would be trained.
    """
    if not isinstance(array, np.ndarray):
        msg = f"{what} is a {type(array).__name__}; pass a numpy.ndarray."
        raise DtypeError(msg)
    if isinstance(array, MaskedArray):
        msg = f"{what} is a masked array, whose mask would be ignored; train its `data` instead."
        raise ArrayError(msg)
    flags = array.flags
    if not flags.c_contiguous:
        refuse_in_place(f"{what} of shape {array.shape} is not contiguous in row-major order")
    if not flags.aligned or not array.dtype.isnative:
        refuse_in_place(f"{what} is not aligned or has foreign byte order")
    if not flags.writeable:
        refuse_in_place(f"{what} is read-only")


def refuse_in_place(fault: str) -> NoReturn:
    """Raise for a parameter that cannot be written in place."""
    msg = (
        f"{fault}, so it cannot be updated in place; create it so that it can be, and use that "
        "array in the model: of a copy, only the copy would be trained."
    )
    raise ArrayError(msg)


def bounds_of(array: np.ndarray) -> tuple[int, int]:
    """Return the first byte and the end of the memory of an array with any strides."""
    if array.size == 0:
        return 0, 0
    return byte_bounds(array)


def span_of(array: np.ndarray) -> tuple[int, int]:
    """Return the first byte and the end of a contiguous array; (0, 0) if it is empty."""
    start = address_of(array)
    return start, start + array.nbytes


def address_of(array: Any) -> int:
    """Return the address of the first element; 0 for an empty array.

    For a writable array, the buffer is ten times as fast as `array.ctypes.data`. Arrays of
    ml_dtypes (kind "V") have none.
    """
    if array.size == 0:
        return 0
    if array.flags.writeable and array.dtype.kind != "V":
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    return array.ctypes.data


class Arena:
    """State arrays in one block of memory.

    Array number j of a tensor starts `j * SHIFT` bytes after its parameter, within a page. Equally
    aligned arrays would compete for the same cache sets, which halves the bandwidth of a loop over
    more than eight of them. Arrays that are shifted by one or two cache lines are slow as well: the
    low 12 bits of the address of a load are then those of a store shortly before, and the load
    waits.

    Args:
        parameters: the parameter of each tensor.
        arrays: for each tensor the shapes and dtypes of its arrays.
        first: number of arrays of each tensor outside the arena (parameter and gradient).

    Attributes:
        arrays: for each tensor its arrays, zeros.
    """

    def __init__(
        self,
        parameters: Sequence[np.ndarray],
        arrays: Sequence[Sequence[tuple[tuple[int, ...], Any]]],
        first: int = 2,
    ) -> None:
        starts: list[int] = []
        end = 0
        for parameter, own in zip(parameters, arrays, strict=True):
            line = address_of(parameter) // CACHE_LINE * CACHE_LINE
            for j, (shape, dtype) in enumerate(own):
                size = math.prod(shape) * dtype.itemsize
                starts.append(self.place(end, size, line + (first + j) * SHIFT))
                end = starts[-1] + size
        self.memory = np.zeros(end + PAGE, np.uint8)
        base = -address_of(self.memory) % PAGE
        places = iter(starts)
        self.arrays = [
            [self.array(base + next(places), shape, dtype) for shape, dtype in own]
            for own in arrays
        ]

    def array(self, start: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return the array of this shape and dtype that starts at a byte of the memory."""
        size = math.prod(shape) * dtype.itemsize
        return self.memory[start : start + size].view(dtype).reshape(shape)

    @staticmethod
    def place(end: int, size: int, offset: int) -> int:
        """Return the start of an array; small ones are packed, as they never fill a cache set."""
        if size < PAGE:
            return -(-end // CACHE_LINE) * CACHE_LINE
        return end + (offset - end) % PAGE
