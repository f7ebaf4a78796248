"""Checks of gradients and other arrays that an update is given."""

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
from learnerdsl.runtime.arrays.interop import host_array
from learnerdsl.runtime.arrays.sparse import RowSparse, values_of
from learnerdsl.storage import PARAMETER_TYPES, STORAGES

NOTHING = np.empty(0)
"""The array that is bound for a parameter without a gradient."""


class Addresses(NamedTuple):
    """Gradients that the caller has checked, and keeps alive during the update.

    Attributes:
        values: the address of each parameter's gradient (parameters,), uint64. The gradients are
            contiguous and have the shapes of the parameters and the number types that kernels read.
        absent: indices of the parameters without a gradient.
    """

    values: np.ndarray
    absent: Sequence[int]


class Checked(NamedTuple):
    """Arrays that have passed the check.

    Attributes:
        arrays: the arrays themselves, or converted copies.
        addresses: address of each of these.
        unlasting: positions of the arrays that the next update must check again, even if it gets
            the same object: copies and missing arrays.
        types: for each parameter the number type of its gradient (None if unknown), if these types
            have changed; then nothing else has been done. Choose what kernels read, call `adopt`,
            and check again.
    """

    arrays: Sequence[Any]
    addresses: list[int]
    unlasting: Sequence[int] = ()
    types: Sequence[str | None] = ()


class GradientCheck:
    """Checks gradients, or other arrays of the same shapes, against their parameters.

    Args:
        parameters: name -> array, which must have passed `check_parameters`.
        what: what the arrays are, for error messages.
        states: the memory of the states: first byte, end, and name of the parameter.
        takes_rows: whether the arrays may be `RowSparse`.
        types: the number type of each array as kernels read it; None for that of the parameter.
            Arrays of other types are copied. Without it, another type is reported in
            `Checked.types`.
    """

    def __init__(
        self,
        parameters: dict[Name, np.ndarray],
        what: str = "gradient",
        states: Sequence[Span] = (),
        takes_rows: bool = True,
        types: Sequence[str] | None = None,
    ) -> None:
        own = [array.dtype.name for array in parameters.values()]
        self.reports_types = types is None
        self.given: list[str | None] = list(own)
        self.adopt(own if types is None else types)
        self.copies: dict[int, np.ndarray] = {}
        spans = [(*span_of(array), name) for name, array in parameters.items()]
        shapes = [a.shape for a in parameters.values()]
        self.take(what, list(parameters), shapes, spans, states, takes_rows)

    def adopt(self, types: Sequence[str]) -> None:
        """Expect arrays of these number types, one for each parameter."""
        self.dtypes = [STORAGES[name].numpy for name in types]
        self.has_buffer = all(dtype.kind != "V" for dtype in self.dtypes)
        self.adopted = list(self.given)

    def take(
        self,
        what: str,
        names: list[Name],
        shapes: list[tuple[int, ...]],
        spans: Sequence[Span],
        states: Sequence[Span],
        takes_rows: bool,
    ) -> None:
        """Store the names, shapes and memory of the parameters, and the memory of the states."""
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
        """Return the gradients as kernels can read them.

        Args:
            indices: numbers of the parameters that they belong to.
            gradients: an array for each, or None for a parameter without a gradient.

        Raises:
            ArrayError: an array has the wrong kind or shape, or overlaps a parameter or a state.
            DtypeError: an array has the wrong dtype.
        """
        shapes, dtypes, bounds = self.shapes, self.dtypes, self.bounds
        from_buffer: Any = ctypes.c_char.from_buffer
        has_buffer = self.has_buffer
        addressof = ctypes.addressof
        addresses: list[int] = []
        special: list[int] = []
        for index, gradient in zip(indices, gradients, strict=True):
            usual = type(gradient) is np.ndarray and gradient.flags.carray and gradient.size
            if usual and gradient.dtype is dtypes[index] and gradient.shape == shapes[index]:
                address = addressof(from_buffer(gradient)) if has_buffer else address_of(gradient)
                # refuse_if_overlapping, inlined for speed: most gradients overlap nothing.
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
        """Check the gradients at the positions `special`, which `check` could not accept at once.

        They are missing, row-sparse or of a wrong kind, or have to be copied.
        """
        arrays = list(gradients)
        unlasting: list[int] = []
        for place in special:
            array = self.checked_one(indices[place], arrays[place])
            if array is NOTHING or not self.is_as_needed(indices[place], array):
                unlasting.append(place)
            arrays[place] = array
        # Check all arrays before copying any.
        if self.reports_types and self.have_types_changed(indices, arrays):
            return Checked((), [], types=list(self.given))
        with np.errstate(all="ignore"):  # too large a value becomes infinity
            for place in unlasting:
                if arrays[place] is not NOTHING:
                    arrays[place] = self.copied(indices[place], arrays[place])
        for place in special:
            addresses[place] = address_of(arrays[place])
        return Checked(arrays, addresses, unlasting)

    def have_types_changed(self, indices: Sequence[int], arrays: Sequence[Any]) -> bool:
        """Note the number types of these arrays; return whether any differs from those adopted."""
        for index, array in zip(indices, arrays, strict=True):
            if array is not NOTHING:
                name = self.kind_of(array)
                self.given[index] = name if name in PARAMETER_TYPES else None
        return self.given != self.adopted

    def kind_of(self, array: Any) -> str:
        """Return the name of the number type of an array."""
        return array.dtype.name

    def is_as_needed(self, index: int, array: np.ndarray) -> bool:
        """Return whether kernels can read the array of a parameter in place."""
        flags = array.flags
        return flags.c_contiguous and flags.aligned and array.dtype == self.dtypes[index]

    def copied(self, index: int, array: np.ndarray) -> np.ndarray:
        """Copy the values into an array that this object keeps for parameter `index`."""
        copy = self.copies.get(index)
        if copy is None or copy.shape != array.shape or copy.dtype != self.dtypes[index]:
            copy = self.copies[index] = np.empty(array.shape, self.dtypes[index])
        np.copyto(copy, array, casting="unsafe")
        return copy

    def checked_one(self, index: int, gradient: Any) -> Any:
        """Return the array of a gradient's values; raise if its shape or dtype is wrong."""
        if gradient is None:
            return NOTHING
        what = f"The {self.what} of {self.names[index]!r}"
        array = self.values(gradient, what, index)
        if array.dtype.kind != "f" and array.dtype.name not in PARAMETER_TYPES:
            own = self.dtypes[index]
            msg = (
                f"{what} has dtype {array.dtype}, its parameter {own}; "
                f"pass {self.what}.astype({own.name!r})."
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
        """Return the values of a gradient as a plain NumPy array in the same memory."""
        if isinstance(gradient, RowSparse):
            if not self.takes_rows:
                msg = f"{what} is row-sparse, but must be dense; pass its to_dense()."
                raise ArrayError(msg)
            gradient.check()
        values = host_array(values_of(gradient), what)
        if isinstance(values, MaskedArray):
            msg = f"{what} is a masked array, whose mask would be ignored; pass array.filled(0.0)."
            raise ArrayError(msg)
        is_number = isinstance(values, np.generic) and self.shapes[index] == ()
        if not isinstance(values, np.ndarray) and not is_number:
            msg = f"{what} is a {type(values).__name__}; pass a numpy.ndarray."
            raise DtypeError(msg)
        return np.asarray(values)

    def refuse_if_overlapping(self, index: int, address: int, nbytes: int) -> None:
        """Raise if an array overlaps a parameter or a state; an empty array never does."""
        # The sorted bounds of parameters and states alternate: start, end, start, end, ... If an
        # even number of them is at or below the address, it is in a gap, up to the next bound.
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
        """Raise with the names that are missing and those that belong to no parameter."""
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
    """The gradients of the last update, to recognise arrays that are passed again.

    Args:
        count: number of parameters.
        holds: whether to keep references to them. On a device this would keep the gradients of a
            whole model in memory until the next ones exist. Running kernels need no reference
            there, since libraries reuse memory in stream order.
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
        """Return the last arrays, with a sentinel for each that has been garbage-collected."""
        if self._references:
            found = (reference() for reference in self._references)
            return [_GONE if array is None else array for array in found]
        return self._arrays

    def forget(self) -> None:
        """Forget all arrays."""
        self._arrays, self._references = self._nothing, []

    def keep(self, arrays: Sequence[Any], changed: Sequence[int], checked: Checked) -> None:
        """Replace the last arrays; those with the numbers `changed` are new.

        The arrays that kernels read stay referenced until the next call, including the values of
        row-sparse gradients. A referenced array cannot be resized in place.
        """
        known, values = arrays, checked.arrays
        if not self._holds and len(checked.unlasting) == self._count:
            self.forget()
            return
        if checked.unlasting:
            known = list(arrays)
            for place in checked.unlasting:
                known[changed[place]] = _GONE
        if not self._holds:
            self._references = [_reference(array) for array in known]
            return
        if len(changed) < self._count:
            values = list(self.values)
            for index, array in zip(changed, checked.arrays, strict=True):
                values[index] = array
        self.values = values
        self._arrays = known


def _reference(array: Any) -> Any:
    """Return a function that returns the array while it exists, else None."""
    try:
        return weakref.ref(array)
    except TypeError:  # the class has no weak references
        return lambda: array
