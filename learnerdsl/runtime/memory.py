"""Arrays in memory: what may be updated in place, where it lies, and where states are put."""

import ctypes
import sys
import weakref
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np

from learnerdsl.dtypes import NumberType, number_type
from learnerdsl.errors import ArrayError, DtypeError, UnknownNameError
from learnerdsl.runtime.sparse import RowSparse, values_of

CACHE_LINE = 64
PAGE = 4096

Name = str | int
Arrays = Mapping[str, np.ndarray] | Sequence[np.ndarray]
Span = tuple[int, int, Name]
"""First byte of a parameter, the one after its last, its name."""
Gradient = np.ndarray | RowSparse
Gradients = Mapping[str, Gradient] | Sequence[Gradient]


def named_arrays(arrays: Any, what: str) -> dict[Name, Any]:
    """A dict of a dict or sequence of arrays; a sequence is numbered from 0."""
    if isinstance(arrays, np.ndarray):
        msg = f"{what} must be a dict or a sequence of arrays, got one array; write [array]."
        raise ArrayError(msg)
    if isinstance(arrays, Mapping):
        return dict(arrays)
    if isinstance(arrays, Sequence) and not isinstance(arrays, str):
        return dict(enumerate(arrays))
    msg = f"{what} must be a dict or a sequence of NumPy arrays, got {type(arrays).__name__}."
    raise ArrayError(msg)


def check_parameters(arrays: dict[Name, np.ndarray]) -> NumberType:
    """Refuse arrays that cannot be updated in place together; returns their number type."""
    if not arrays:
        msg = "A learner needs at least one parameter array, got none."
        raise ArrayError(msg)
    kinds: dict[str, Name] = {}
    for name, array in arrays.items():
        what = f"Parameter {name!r}"
        _check_array(array, what)
        kinds.setdefault(number_type(array.dtype, what).name, name)
        if not array.flags.writeable:
            msg = f"{what} is read-only, so it cannot be updated in place; pass array.copy()."
            raise ArrayError(msg)
    refuse_mixture(kinds)
    refuse_overlap([(*span_of(array), name) for name, array in arrays.items()])
    return number_type(next(iter(arrays.values())).dtype)


def refuse_mixture(kinds: Mapping[str, Name]) -> None:
    """Raise if parameters are of several number types; `kinds` has a parameter of each."""
    if len(kinds) > 1:
        listed = " and ".join(f"{name!r} of {kind}" for kind, name in kinds.items())
        msg = f"Parameters have different dtypes: {listed}. Make one learner for each dtype."
        raise DtypeError(msg)


def refuse_overlap(spans: Sequence[Span]) -> None:
    """Raise if two parameters share memory."""
    for (_, end, first), (start, _, second) in pairwise(sorted(spans, key=itemgetter(0, 1))):
        if start < end:
            msg = (
                f"Parameters {first!r} and {second!r} overlap in memory; "
                "pass one of them, or a copy."
            )
            raise ArrayError(msg)


def _check_array(array: Any, what: str) -> None:
    if not isinstance(array, np.ndarray):
        msg = f"{what} is a {type(array).__name__}; pass a numpy.ndarray."
        raise DtypeError(msg)
    if not array.flags.c_contiguous:
        msg = (
            f"{what} of shape {array.shape} is not contiguous in row-major order; "
            "pass numpy.ascontiguousarray(array)."
        )
        raise ArrayError(msg)
    if not array.flags.aligned or not array.dtype.isnative:
        msg = f"{what} is not aligned or has foreign byte order; pass a plain copy of it."
        raise ArrayError(msg)


def span_of(array: np.ndarray) -> tuple[int, int]:
    """First byte of an array and the one after its last; an empty array takes no place."""
    start = address_of(array)
    return start, start + array.nbytes


def address_of(array: Any) -> int:
    """Address of the first element; 0 for an empty array.

    A writable array's buffer gives it in a tenth of the time that `array.ctypes.data` takes.
    """
    if array.size == 0:
        return 0
    if array.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    return array.ctypes.data


class GradientCheck:
    """Checks gradients, or other arrays like them, against the parameters they belong to.

    Args:
        parameters: name -> array, checked already.
        what: what the arrays are, for the messages.
    """

    def __init__(self, parameters: dict[Name, np.ndarray], what: str = "gradient") -> None:
        self.dtype = next(iter(parameters.values())).dtype
        spans = [(*span_of(array), name) for name, array in parameters.items()]
        self.take(what, list(parameters), [a.shape for a in parameters.values()], spans)

    def take(
        self,
        what: str,
        names: list[Name],
        shapes: list[tuple[int, ...]],
        spans: Sequence[Span],
    ) -> None:
        """Take over what the parameters are, and where."""
        self.what = what
        self.names = names
        self.shapes = shapes
        taken = sorted((span for span in spans if span[0] < span[1]), key=itemgetter(0, 1))
        self.owners = [name for _, _, name in taken]
        self.bounds = [bound for start, end, _ in taken for bound in (start, end)]
        self.bounds.append(sys.maxsize)

    def addresses(self, indices: Sequence[int], gradients: Sequence[Any]) -> list[int]:
        """Addresses of new gradients, or an error that says why one cannot be used.

        Args:
            indices: numbers of the parameters they belong to.
            gradients: arrays.
        """
        shapes, dtype, bounds = self.shapes, self.dtype, self.bounds
        from_buffer: Any = ctypes.c_char.from_buffer
        addressof = ctypes.addressof
        found: list[int] = []
        for index, gradient in zip(indices, gradients, strict=True):
            usual = type(gradient) is np.ndarray and gradient.flags.carray and gradient.size
            if usual and gradient.dtype is dtype and gradient.shape == shapes[index]:
                address = addressof(from_buffer(gradient))
            else:
                self.check_one(index, gradient)
                address = address_of(values_of(gradient))
            below = bisect_right(bounds, address)
            if below % 2 or bounds[below] < address + gradient.nbytes:
                self.refuse_if_overlapping(index, address, gradient.nbytes)
            found.append(address)
        return found

    def check_one(self, index: int, gradient: Any) -> None:
        """Raise unless the array has the layout, dtype and shape that is needed."""
        name = self.names[index]
        _check_array(values_of(gradient), f"The {self.what} of {name!r}")
        if gradient.dtype != self.dtype:
            msg = (
                f"The {self.what} of {name!r} has dtype {gradient.dtype}, "
                f"its parameter {self.dtype}; pass {self.what}.astype({self.dtype.name!r})."
            )
            raise DtypeError(msg)
        if gradient.shape != self.shapes[index]:
            msg = (
                f"The {self.what} of {name!r} has shape {gradient.shape}, "
                f"its parameter {self.shapes[index]}."
            )
            raise ArrayError(msg)

    def refuse_if_overlapping(self, index: int, address: int, nbytes: int) -> None:
        """Raise if an array shares memory with a parameter; an empty one cannot."""
        # The sorted bounds of the parameters alternate start, end, start, ..., so an even number of
        # them below the address is a gap, which the next one ends.
        below = bisect_right(self.bounds, address)
        if nbytes and (below % 2 or self.bounds[below] < address + nbytes):
            msg = (
                f"The {self.what} of {self.names[index]!r} overlaps parameter "
                f"{self.owners[below // 2]!r} in memory; pass a copy of it."
            )
            raise ArrayError(msg)

    def refuse_names(self, given: Sequence[Name]) -> None:
        """Raise for missing or extra gradients."""
        missing = [name for name in self.names if name not in given]
        extra = [name for name in given if name not in self.names]
        parts = [
            f"{label} {', '.join(map(repr, names))}"
            for label, names in (("missing", missing), ("not a parameter:", extra))
            if names
        ]
        if parts:
            subject = "Gradients" if self.what == "gradient" else f"Arrays of {self.what}"
            msg = f"{subject} do not match the parameters: {'; '.join(parts)}."
            raise UnknownNameError(msg)


_GONE = object()


class LastArrays:
    """The gradients of the last update, by which new ones are known.

    Args:
        count: how many there are.
        holds: whether to hold them. On a device that would keep the memory of the gradients of a
            whole model until the next ones are there; what was started needs no reference, as
            libraries give memory back in the order of the stream.
    """

    def __init__(self, count: int, holds: bool) -> None:
        self._holds = holds
        self._arrays: tuple[Any, ...] = (object(),) * count
        self._references: list[Any] = []

    def present(self) -> Sequence[Any]:
        """The arrays, and something that nobody can pass for each that is no longer there."""
        if self._references:
            found = (reference() for reference in self._references)
            return [_GONE if array is None else array for array in found]
        return self._arrays

    def keep(self, arrays: tuple[Any, ...]) -> None:
        """These are the last ones now."""
        if self._holds:
            self._arrays = arrays
        else:
            self._references = [_reference(array) for array in arrays]


def _reference(array: Any) -> Any:
    """A function that gives an array as long as somebody holds it."""
    try:
        return weakref.ref(array)
    except TypeError:  # of a class without weak references
        return lambda: array


class Arena:
    """State arrays in one block of memory.

    Array number j starts j cache lines after a page boundary: equally aligned arrays compete for
    the same cache sets, which halves the bandwidth of loops over more than eight of them.

    Args:
        shapes: shapes of the tensors.
        kind: number type of the states.
        states: number of states each tensor has.
        first: number of arrays of each tensor that lie elsewhere (parameter and gradient).
    """

    def __init__(
        self, shapes: Sequence[tuple[int, ...]], kind: NumberType, states: int, first: int = 2
    ) -> None:
        places: list[tuple[int, tuple[int, ...]]] = []
        end = 0
        for shape in shapes:
            size = int(np.prod(shape)) * kind.itemsize
            for j in range(states):
                start = self.place(end, size, (first + j) * CACHE_LINE)
                places.append((start, shape))
                end = start + size
        self.memory = np.zeros(end + PAGE, np.uint8)
        base = -address_of(self.memory) % PAGE
        self.arrays = [
            self.memory[base + start : base + start + int(np.prod(shape)) * kind.itemsize]
            .view(kind.numpy)
            .reshape(shape)
            for start, shape in places
        ]

    @staticmethod
    def place(end: int, size: int, offset: int) -> int:
        """Where an array starts; small ones are packed, as they never fill a cache set."""
        if size < PAGE:
            return -(-end // CACHE_LINE) * CACHE_LINE
        return end + (offset - end) % PAGE
