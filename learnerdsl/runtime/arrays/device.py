"""Arrays on a device, of any library: their addresses, and checks that they can be updated."""

import functools
import importlib
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from learnerdsl.errors import ArrayError, DtypeError
from learnerdsl.kernels.simulator import SIMULATED
from learnerdsl.runtime.arrays.gradients import Checked, GradientCheck
from learnerdsl.runtime.arrays.host import (
    Name,
    Span,
    refuse_in_place,
    refuse_overlap,
)
from learnerdsl.runtime.arrays.interop import (
    converted,
    is_on_device,
    is_simulated,
    library_of,
    tensor_dtype,
)
from learnerdsl.runtime.arrays.sparse import RowSparse, values_of
from learnerdsl.storage import PARAMETER_TYPES, STORAGES, Storage, number_type

BFLOAT16 = "<V2"
"""How `__cuda_array_interface__` names bfloat16, which it lacks: as 2 bytes of any kind.
PyTorch and ml_dtypes write the same."""


@dataclass(frozen=True)
class Place:
    """The address and layout of an array.

    Attributes:
        address: address of its first element; 0 if it is empty.
        shape: its shape.
        dtype: name of its dtype in NumPy, or in its own library if NumPy lacks the dtype.
        device: number of the device.
        is_contiguous: whether it is in row-major order without gaps.
        is_writable: whether its values may be changed.
    """

    address: int
    shape: tuple[int, ...]
    dtype: str
    device: int
    is_contiguous: bool
    is_writable: bool = True

    @property
    def itemsize(self) -> int:
        """The size of an element in bytes."""
        known = STORAGES.get(self.dtype)
        return known.itemsize if known else np.dtype(self.dtype).itemsize

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return math.prod(self.shape) * self.itemsize

    def span(self, name: Name) -> Span:
        """Return its memory as a span that belongs to the parameter `name`."""
        return self.address, self.address + self.nbytes, name


def locate(array: Any, what: str) -> Place:
    """Return the place of an array on a device.

    Args:
        array: an array of any library.
        what: what it is, for error messages.

    Raises:
        ArrayError: the array is not on a device, or is a sparse tensor.
    """
    if isinstance(array, np.ndarray) or not is_on_device(array):
        msg = (
            f"{what} is a {type(array).__name__} in the memory of the host; backend='cuda' needs "
            "arrays on a GPU, of PyTorch, CuPy or Numba; in PyTorch, model.to('cuda') moves all "
            "parameters there."
        )
        raise ArrayError(msg)
    if hasattr(array, "data_ptr"):
        # PyTorch: its __cuda_array_interface__ raises for tensors that require gradients.
        dtype, shape = str(array.dtype).removeprefix("torch."), tuple(array.shape)
        try:
            address = array.data_ptr()
        except RuntimeError:
            msg = (
                f"{what} is a sparse tensor, which has no memory of its own; as a gradient, pass "
                "RowSparse(indices, values, shape) of its coalesce()."
            )
            raise ArrayError(msg) from None
        return Place(address, shape, dtype, array.get_device(), array.is_contiguous())
    if hasattr(array, "__cuda_array_interface__"):
        return _by_interface(array.__cuda_array_interface__)
    if is_simulated(array):
        own = array._ary
        return Place(own.ctypes.data, own.shape, own.dtype.name, 0, own.flags.c_contiguous)
    return _by_dlpack(array)


def _by_interface(interface: dict[str, Any]) -> Place:
    """Read `__cuda_array_interface__`.

    https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html
    """
    address, is_read_only = interface["data"]
    shape, dtype = tuple(interface["shape"]), np.dtype(interface["typestr"])
    name = "bfloat16" if interface["typestr"] == BFLOAT16 else dtype.name
    strides = interface.get("strides")
    expected = _row_major(shape, dtype.itemsize)
    is_contiguous = strides is None or 0 in shape or tuple(strides) == expected
    device = ordinal_of(address) if address else -1
    return Place(address, shape, name, device, is_contiguous, not is_read_only)


def _by_dlpack(array: Any) -> Place:
    """Read DLPack with NVIDIA's `cuda.core`, without waiting for a stream."""
    utils: Any = importlib.import_module("cuda.core.utils")
    view = utils.StridedMemoryView.from_dlpack(array, stream_ptr=-1)
    shape, dtype = tuple(view.shape), np.dtype(view.dtype)
    strides = view.strides
    expected = _row_major(shape, 1)
    is_contiguous = strides is None or 0 in shape or tuple(strides) == expected
    return Place(view.ptr, shape, dtype.name, view.device_id, is_contiguous, not view.readonly)


def _row_major(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    strides: list[int] = []
    for length in reversed(shape):
        strides.append(itemsize)
        itemsize *= length
    return tuple(reversed(strides))


def ordinal_of(address: int) -> int:
    """Return the number of the device that owns this address, or -1 if none does."""
    if SIMULATED:
        return 0
    ask, kind = _pointer_attribute()
    status, ordinal = ask(kind, address)
    return -1 if int(status) else int(ordinal)


@functools.lru_cache(maxsize=1)
def _pointer_attribute() -> tuple[Any, Any]:
    driver: Any = importlib.import_module("cuda.bindings.driver")
    attribute = driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
    return driver.cuPointerGetAttribute, attribute


def check_device_parameters(
    arrays: dict[Name, Any],
) -> tuple[list[Storage], dict[Name, Place]]:
    """Check that these arrays can be updated in place by one learner.

    Returns:
        The number type of each, and name -> place.

    Raises:
        ArrayError: there are no arrays, one cannot be written in place, two overlap, or they are
            on different devices.
        DtypeError: a dtype is not supported.
    """
    if not arrays:
        msg = "A learner needs at least one parameter array, got none."
        raise ArrayError(msg)
    for name, array in arrays.items():
        if library_of(array) in ("jax", "jaxlib"):
            msg = f"Parameter {name!r} is an array of JAX, which cannot be updated in place."
            raise ArrayError(msg)
    places = {name: locate(array, f"Parameter {name!r}") for name, array in arrays.items()}
    kinds: list[Storage] = []
    devices: dict[int, Name] = {}
    for name, place in places.items():
        what = f"Parameter {name!r}"
        kinds.append(_kind(place, what))
        fault = _fault_of(place, what)
        if fault:
            refuse_in_place(fault)
        if place.nbytes:
            devices.setdefault(place.device, name)
        if not place.is_writable:
            refuse_in_place(f"{what} is read-only")
    if len(devices) > 1:
        listed = " and ".join(f"{name!r} on {device}" for device, name in devices.items())
        msg = f"Parameters are on different devices: {listed}. Make one learner for each device."
        raise ArrayError(msg)
    refuse_overlap([place.span(name) for name, place in places.items()])
    return kinds, places


def _kind(place: Place, what: str) -> Storage:
    try:
        return number_type(place.dtype, what)
    except TypeError:
        # NumPy lacks the type, for example float8_e4m3fn.
        listed = ", ".join(PARAMETER_TYPES)
        msg = f"{what} has dtype {place.dtype}, which cannot be updated; use one of {listed}."
        raise DtypeError(msg) from None


def _fault_of(place: Place, what: str) -> str:
    """Return what is wrong with the layout of an array, or an empty string."""
    if not place.is_contiguous:
        return f"{what} of shape {place.shape} is not contiguous in row-major order"
    if place.nbytes and place.address % place.itemsize:
        return f"{what} is not aligned to its dtype {place.dtype}"
    return ""


class DeviceGradientCheck(GradientCheck):
    """Checks gradients on a device, or other arrays of the same shapes, against the parameters.

    Args:
        parameters: name -> place of the parameter.
        what: what the arrays are, for error messages.
        states: the memory of the states: first byte, end, and name of the parameter.
        takes_rows: whether the arrays may be `RowSparse`.
        types: the number type of each array as kernels read it; see `GradientCheck`.
    """

    def __init__(
        self,
        parameters: dict[Name, Place],
        what: str = "gradient",
        states: Sequence[Span] = (),
        takes_rows: bool = True,
        types: Sequence[str] | None = None,
    ) -> None:
        places = list(parameters.values())
        own = [place.dtype for place in places]
        self.device = max(place.device for place in places)
        self.reports_types = types is None
        self.given: list[str | None] = list(own)
        self.converted: dict[int, Any] = {}
        spans = [place.span(name) for name, place in parameters.items()]
        shapes = [place.shape for place in places]
        self.take(what, list(parameters), shapes, spans, states, takes_rows)
        self.adopt(own if types is None else types)

    def adopt(self, types: Sequence[str]) -> None:
        """Expect arrays of these number types, one for each parameter."""
        self.type_names = list(types)
        self.itemsizes = [STORAGES[name].itemsize for name in types]
        self.typestrs = [BFLOAT16 if n == "bfloat16" else np.dtype(n).str for n in types]
        self._expected: list[Any] = []
        # PyTorch has one object for each dtype, so comparing identities is enough.
        self.tensor_dtypes: list[Any] = [None] * len(types)
        self.adopted = list(self.given)

    @property
    def expected(self) -> list[Any]:
        """The types that arrays should have, as PyTorch names them; another list if they change."""
        if not self._expected:
            self._expected = [tensor_dtype(name) for name in self.type_names]
        return self._expected

    def check(self, indices: Sequence[int], gradients: Sequence[Any]) -> Checked:
        """Return the gradients and their addresses; see `GradientCheck.check`."""
        bounds, shapes = self.bounds, self.shapes
        found: list[int] = []
        special: list[int] = []
        for index, gradient in zip(indices, gradients, strict=True):
            address = self.usual_address(index, gradient)
            if not address:
                special.append(len(found))
            else:
                # refuse_if_overlapping, inlined for speed: most gradients overlap nothing.
                below = bisect_right(bounds, address)
                nbytes = self.itemsizes[index] * math.prod(shapes[index])
                if below % 2 or bounds[below] < address + nbytes:
                    self.refuse_if_overlapping(index, address, nbytes)
            found.append(address)
        if not special:
            return Checked(gradients, found)
        return self.with_special(indices, gradients, found, special)

    def with_special(
        self,
        indices: Sequence[int],
        gradients: Sequence[Any],
        addresses: list[int],
        special: Sequence[int],
    ) -> Checked:
        """Check the gradients at the positions `special`; see `GradientCheck.with_special`."""
        places: dict[int, Place] = {}
        for position in special:
            index = indices[position]
            place = places[position] = self.unusual_place(index, gradients[position])
            self.refuse_if_overlapping(index, place.address, place.nbytes)
        if self.reports_types:
            for position, index in enumerate(indices):
                place = places.get(position)
                self.given[index] = place.dtype if place else self.type_names[index]
            if self.given != self.adopted:
                return Checked((), [], types=list(self.given))
        arrays = list(gradients)
        unlasting: list[int] = []
        for position, place in places.items():
            index = indices[position]
            if place.dtype != self.type_names[index]:
                unlasting.append(position)
                arrays[position] = self.copied(index, values_of(arrays[position]))
                place = locate(arrays[position], "A copy")
            addresses[position] = place.address
        return Checked(arrays, addresses, unlasting)

    def copied(self, index: int, array: Any) -> Any:
        """Return a copy in the number type that kernels read, made by the array's library."""
        wanted = self.type_names[index]
        copy = converted(array, wanted)
        if copy is None:
            msg = (
                f"The {self.what} of {self.names[index]!r} has another dtype than {wanted}, in "
                "which it is read together with the others, and its library cannot convert it; "
                "pass arrays of one dtype, or of PyTorch or CuPy."
            )
            raise DtypeError(msg)
        # Libraries reuse memory in stream order, but this update is not on the stream yet.
        self.converted[index] = copy
        return copy

    def unusual_place(self, index: int, gradient: Any) -> Place:
        """Return the place of an array for which `usual_address` is 0, or raise."""
        what = f"The {self.what} of {self.names[index]!r}"
        if gradient is None:
            msg = f"{what} is None; on a GPU every parameter needs one: pass zeros."
            raise ArrayError(msg)
        if isinstance(gradient, RowSparse):
            if not self.takes_rows:
                msg = f"{what} is row-sparse, but must be dense; pass a dense array."
                raise ArrayError(msg)
            gradient.check()
        place = locate(values_of(gradient), what)
        self.check_place(index, place, gradient)
        return place

    def usual_address(self, index: int, gradient: Any) -> int:
        """Return the address of an array that needs no further check, else 0.

        Most updates get new gradients, so much of the host's time is spent here.
        """
        shape, itemsize = self.shapes[index], self.itemsizes[index]
        if hasattr(gradient, "data_ptr"):
            if gradient.dtype is not self.tensor_dtypes[index]:
                if str(gradient.dtype) != f"torch.{self.type_names[index]}":
                    return 0
                self.tensor_dtypes[index] = gradient.dtype
            if gradient.shape != shape or gradient.is_sparse or not gradient.is_contiguous():
                return 0
            address = gradient.data_ptr() if gradient.get_device() == self.device else 0
            return 0 if address % itemsize else address
        interface = getattr(gradient, "__cuda_array_interface__", None)
        if interface is None or interface["typestr"] != self.typestrs[index]:
            return 0
        address = interface["data"][0]
        if interface["shape"] != shape or interface.get("strides") or address % itemsize:
            return 0
        return address if address and ordinal_of(address) == self.device else 0

    def check_place(self, index: int, place: Place, gradient: Any) -> None:
        """Raise unless the array has the layout, a float type, the shape and the device."""
        name = self.names[index]
        what = f"The {self.what} of {name!r}"
        if place.dtype not in PARAMETER_TYPES:
            own = self.type_names[index]
            msg = f"{what} has dtype {place.dtype}, its parameter {own}; convert it."
            raise DtypeError(msg)
        fault = _fault_of(place, what)
        if fault:
            msg = f"{fault}; pass a plain copy, as array.contiguous() makes one in PyTorch."
            raise ArrayError(msg)
        shape = place.shape if values_of(gradient) is gradient else gradient.shape
        if shape != self.shapes[index]:
            msg = f"{what} has shape {shape}, its parameter {self.shapes[index]}."
            raise ArrayError(msg)
        if place.nbytes and place.device != self.device:
            msg = f"{what} is on device {place.device}, its parameter on {self.device}."
            raise ArrayError(msg)
