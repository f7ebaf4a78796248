"""Gradients, and other arrays that updates are given: which can be used, and where they lie."""

import ctypes
import sys
import weakref
from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.ma import MaskedArray

from learnerdsl.errors import ArrayError, DtypeError, UnknownNameError
from learnerdsl.runtime.arrays.host import Name, Span, address_of, bounds_of, span_of
from learnerdsl.runtime.arrays.sparse import RowSparse, values_of

NOTHING = np.empty(0)
"""What is bound for a parameter that has no gradient."""


class Checked(NamedTuple):
    """Arrays that can be used.

    Attributes:
        arrays: what has the values: the arrays themselves, or converted copies.
        addresses: where those are.
        unlasting: places of those that have to be looked at again in the next update, though the
            same object should be given: copies, and what is not there.
    """

    arrays: Sequence[Any]
    addresses: list[int]
    unlasting: Sequence[int] = ()


class GradientCheck:
    """Checks gradients, or other arrays like them, against the parameters they belong to.

    Args:
        parameters: name -> array, checked already.
        what: what the arrays are, for the messages.
        states: the memory of the states: first byte, the one after the last, and whose it is.
        takes_rows: whether they may be `RowSparse`.
    """

    def __init__(
        self,
        parameters: dict[Name, np.ndarray],
        what: str = "gradient",
        states: Sequence[Span] = (),
        takes_rows: bool = True,
    ) -> None:
        self.dtype = next(iter(parameters.values())).dtype
        self.copies: dict[int, np.ndarray] = {}
        spans = [(*span_of(array), name) for name, array in parameters.items()]
        shapes = [a.shape for a in parameters.values()]
        self.take(what, list(parameters), shapes, spans, states, takes_rows)

    def take(
        self,
        what: str,
        names: list[Name],
        shapes: list[tuple[int, ...]],
        spans: Sequence[Span],
        states: Sequence[Span],
        takes_rows: bool,
    ) -> None:
        """Take over what the parameters are, and where they and their states are."""
        self.what = what
        self.names = names
        self.shapes = shapes
        self.takes_rows = takes_rows
        owned = [(start, end, name, False) for start, end, name in spans]
        owned += [(start, end, name, True) for start, end, name in states]
        taken = sorted((span for span in owned if span[0] < span[1]), key=itemgetter(0, 1))
        self.owners = [(name, is_state) for _, _, name, is_state in taken]
        self.bounds = [bound for start, end, _, _ in taken for bound in (start, end)]
        self.bounds.append(sys.maxsize)

    def check(self, indices: Sequence[int], gradients: Sequence[Any]) -> Checked:
        """New gradients as they can be used, or an error that says why one cannot be.

        Args:
            indices: numbers of the parameters they belong to.
            gradients: arrays; None for a parameter that has none.
        """
        shapes, dtype, bounds = self.shapes, self.dtype, self.bounds
        from_buffer: Any = ctypes.c_char.from_buffer
        addressof = ctypes.addressof
        addresses: list[int] = []
        special: list[int] = []
        for index, gradient in zip(indices, gradients, strict=True):
            usual = type(gradient) is np.ndarray and gradient.flags.carray and gradient.size
            if usual and gradient.dtype is dtype and gradient.shape == shapes[index]:
                address = addressof(from_buffer(gradient))
                below = bisect_right(bounds, address)
                if below % 2 or bounds[below] < address + gradient.nbytes:
                    self.refuse_if_overlapping(index, address, gradient.nbytes)
            else:
                address = 0
                special.append(len(addresses))
            addresses.append(address)
        if not special:
            return Checked(gradients, addresses)
        return self.with_special(indices, gradients, addresses, special)

    def with_special(
        self,
        indices: Sequence[int],
        gradients: Sequence[Any],
        addresses: list[int],
        special: Sequence[int],
    ) -> Checked:
        """The same where some, those in the places `special`, are not as most are."""
        arrays = list(gradients)
        unlasting: list[int] = []
        for place in special:
            array = self.checked_one(indices[place], arrays[place])
            if array is NOTHING or not self.is_as_needed(array):
                unlasting.append(place)
            arrays[place] = array
        # All are checked before one is copied.
        with np.errstate(all="ignore"):  # what is too large becomes infinity
            for place in unlasting:
                if arrays[place] is not NOTHING:
                    arrays[place] = self.copied(indices[place], arrays[place])
        for place in special:
            addresses[place] = address_of(arrays[place])
        return Checked(arrays, addresses, unlasting)

    def is_as_needed(self, array: np.ndarray) -> bool:
        """Whether kernels can read the array where it is."""
        flags = array.flags
        return flags.c_contiguous and flags.aligned and array.dtype == self.dtype

    def copied(self, index: int, array: np.ndarray) -> np.ndarray:
        """The values in an array of our own, which is made once."""
        copy = self.copies.get(index)
        if copy is None or copy.shape != array.shape:
            copy = self.copies[index] = np.empty(array.shape, self.dtype)
        np.copyto(copy, array, casting="same_kind")
        return copy

    def checked_one(self, index: int, gradient: Any) -> Any:
        """The array with the values of a gradient, if its shape and dtype can be used."""
        if gradient is None:
            return NOTHING
        what = f"The {self.what} of {self.names[index]!r}"
        array = self.values(gradient, what, index)
        if array.dtype.kind != "f":
            msg = (
                f"{what} has dtype {array.dtype}, its parameter {self.dtype}; "
                f"pass {self.what}.astype({self.dtype.name!r})."
            )
            raise DtypeError(msg)
        shape = gradient.shape
        if shape != self.shapes[index]:
            msg = f"{what} has shape {shape}, its parameter {self.shapes[index]}."
            raise ArrayError(msg)
        start, end = bounds_of(array)
        self.refuse_if_overlapping(index, start, end - start)
        return array

    def values(self, gradient: Any, what: str, index: int) -> np.ndarray:
        """The values of a gradient as a plain array in the same memory."""
        if isinstance(gradient, RowSparse):
            if not self.takes_rows:
                msg = f"{what} is row-sparse, but is read whole; pass its to_dense()."
                raise ArrayError(msg)
            gradient.check()
        values = values_of(gradient)
        if isinstance(values, MaskedArray):
            msg = f"{what} is a masked array, whose mask would be ignored; pass array.filled(0.0)."
            raise ArrayError(msg)
        is_number = isinstance(values, np.generic) and self.shapes[index] == ()
        if not isinstance(values, np.ndarray) and not is_number:
            msg = f"{what} is a {type(values).__name__}; pass a numpy.ndarray."
            raise DtypeError(msg)
        return np.asarray(values)

    def refuse_if_overlapping(self, index: int, address: int, nbytes: int) -> None:
        """Raise if an array shares memory with a parameter or a state; an empty one cannot."""
        # The sorted bounds of what is owned alternate start, end, start, ..., so an even number of
        # them below the address is a gap, which the next one ends.
        below = bisect_right(self.bounds, address)
        if nbytes and (below % 2 or self.bounds[below] < address + nbytes):
            name, is_state = self.owners[below // 2]
            owner = f"a state of {name!r}" if is_state else f"parameter {name!r}"
            msg = (
                f"The {self.what} of {self.names[index]!r} overlaps {owner} in memory; "
                "pass a copy of it."
            )
            raise ArrayError(msg)

    def refuse_names(self, given: Sequence[Name], needed: Sequence[Name]) -> None:
        """Raise for gradients that are needed and missing, or of no parameter."""
        known, own = set(given), set(self.names)
        missing = [name for name in needed if name not in known]
        extra = [name for name in given if name not in own]
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
        self._count = count
        self._arrays: Sequence[Any] = ()
        self._references: list[Any] = []
        self.values: Sequence[Any] = (NOTHING,) * count
        self._nothing = (_GONE,) * count
        self.forget()

    def present(self) -> Sequence[Any]:
        """The arrays, and something that nobody can pass for each that is no longer there."""
        if self._references:
            found = (reference() for reference in self._references)
            return [_GONE if array is None else array for array in found]
        return self._arrays

    def forget(self) -> None:
        """None of them is known, until others are kept."""
        self._arrays, self._references = self._nothing, []

    def keep(self, arrays: Sequence[Any], changed: Sequence[int], checked: Checked) -> None:
        """These are the last ones now; those with the numbers `changed` are new.

        What kernels read is held until the next ones are kept: also the values of row-sparse
        gradients, which then refuse to be resized.
        """
        if not self._holds:
            self._references = [_reference(array) for array in arrays]
            return
        known, values = arrays, checked.arrays
        if checked.unlasting:
            known = list(arrays)
            for place in checked.unlasting:
                known[changed[place]] = _GONE
        if len(changed) < self._count:
            values = list(self.values)
            for index, array in zip(changed, checked.arrays, strict=True):
                values[index] = array
        self.values = values
        self._arrays = known


def _reference(array: Any) -> Any:
    """A function that gives an array as long as somebody holds it."""
    try:
        return weakref.ref(array)
    except TypeError:  # of a class without weak references
        return lambda: array
