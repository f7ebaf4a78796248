"""Row-sparse gradients, whose updates touch only the rows that they name."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.ma import MaskedArray

from learnerdsl.errors import ArrayError, DtypeError
from learnerdsl.runtime.arrays.interop import copy_to_host, is_on_device
from learnerdsl.storage import PARAMETER_TYPES, STORAGES

NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class RowSparse:
    """A gradient that is zero except in some rows, such as that of an embedding.

    An update with it is lazy. All other rows of the parameter and of its states stay as they are,
    so states do not decay there. Reductions over the tensor run over the named rows only, and
    `size` is the number of their elements.

    Args:
        indices: rows of the parameter (n,), integers. The values of a repeated row are summed. On a
            GPU the rows must be in increasing order without repeats, as `gradient.coalesce()` in
            PyTorch returns them.
        values: values of these rows (n, *shape[1:]), in the parameter's dtype.
        shape: shape of the parameter.

    Raises:
        ArrayError: the shapes do not match, a row is out of range, or rows on a GPU are unsorted.
        DtypeError: the values are not real numbers.

    >>> import numpy as np
    >>> gradient = RowSparse(np.array([3, 1, 3]), np.ones((3, 2), np.float32), (5, 2))
    >>> gradient.indices
    array([1, 3])
    >>> gradient.values
    array([[1., 1.],
           [2., 2.]], dtype=float32)
    """

    indices: Any
    values: Any
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check that the shapes match, then sort the rows and sum repeated ones."""
        shape = _checked_shape(self.shape)
        indices = _checked_indices(self.indices, shape)
        on_device = is_on_device(self.values)
        if not on_device:
            _refuse_unless_numbers(self.values)
        _refuse_misfit(indices, self.values, shape)
        values = self.values
        if not on_device:
            indices, values = _summed(indices, values)
        elif not np.all(indices[1:] > indices[:-1]):
            msg = (
                "The rows of a row-sparse gradient on a GPU must be in increasing order, each "
                "once; in PyTorch, gradient.coalesce() has them so."
            )
            raise ArrayError(msg)
        # An array over a bytes object can never be made writable, so nobody can put rows that are
        # out of range into it after this check.
        indices = np.frombuffer(indices.tobytes(), np.int64)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "indices", indices)
        object.__setattr__(self, "values", values)

    def check(self) -> None:
        """Raise unless the shapes still match: an array's shape can be changed in place."""
        indices = self.indices
        if indices.ndim != 1 or indices.dtype != np.int64:
            msg = "The indices of a row-sparse gradient were changed; make a new RowSparse."
            raise ArrayError(msg)
        _refuse_misfit(indices, self.values, self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """The size of the values in bytes."""
        return self.values.nbytes

    def to_dense(self) -> np.ndarray:
        """Return the gradient as a dense NumPy array with the shape of the parameter."""
        values = copy_to_host(self.values)
        dense = np.zeros(self.shape, values.dtype)
        dense[self.indices] = values
        return dense


def values_of(gradient: Any) -> Any:
    """Return the array that holds the values of a gradient."""
    return gradient.values if isinstance(gradient, RowSparse) else gradient


def _checked_shape(shape: Any) -> tuple[int, ...]:
    """Return the shape as a tuple of integers, or raise."""
    try:
        is_ordered = isinstance(shape, (Sequence, np.ndarray)) and not isinstance(shape, str)
        sizes = tuple(map(operator.index, shape)) if is_ordered else ()
        if any(isinstance(size, (bool, np.bool_)) for size in shape):
            sizes = ()
    except TypeError:
        sizes = ()
    if not sizes or min(sizes) < 0:
        msg = (
            "The shape of a row-sparse gradient must be that of its parameter, a tuple of integers "
            f"such as (1000, 64), got {shape!r}."
        )
        raise ArrayError(msg)
    return sizes


def _checked_indices(given: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the row numbers (n,), int64; raise if one is out of range."""
    try:
        indices = copy_to_host(np.empty(0, int) if isinstance(given, list) and not given else given)
    except ValueError:  # nested lists of different lengths
        indices = np.empty((), object)
    if isinstance(given, MaskedArray) or indices.ndim != 1 or indices.dtype.kind not in "iu":
        msg = (
            "A row-sparse gradient needs integer indices of shape (n,), one for each row and not "
            f"masked, got {type(given).__name__} of shape {indices.shape} and {indices.dtype}."
        )
        raise ArrayError(msg)
    if indices.size and not (indices.min() >= 0 and indices.max() < shape[0]):
        msg = f"Rows {indices.min()} to {indices.max()} are not all in 0 to {shape[0] - 1}."
        raise ArrayError(msg)
    return indices.astype(np.int64)


def _refuse_unless_numbers(values: Any) -> None:
    if isinstance(values, MaskedArray):
        msg = "The values of a row-sparse gradient are a masked array; pass values.filled(0.0)."
        raise ArrayError(msg)
    if not isinstance(values, np.ndarray):
        msg = (
            "The values of a row-sparse gradient must be an array, got a "
            f"{type(values).__name__}; pass numpy.asarray(values)."
        )
        raise ArrayError(msg)
    if values.dtype.kind != "f" and values.dtype.name not in PARAMETER_TYPES:
        msg = (
            "The values of a row-sparse gradient must have the dtype of its parameter, one of "
            f"{', '.join(PARAMETER_TYPES)}, got {values.dtype}."
        )
        raise DtypeError(msg)


def _refuse_misfit(indices: np.ndarray, values: Any, shape: tuple[int, ...]) -> None:
    wanted = (indices.size, *shape[1:])
    if tuple(values.shape) != wanted:
        msg = (
            f"{indices.size} rows of shape {shape[1:]} need values of shape {wanted}, "
            f"got {tuple(values.shape)}."
        )
        raise ArrayError(msg)


def _summed(indices: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort the rows and sum the values of repeated ones."""
    if np.all(indices[1:] > indices[:-1]):
        return indices, np.ascontiguousarray(values)
    rows, place = np.unique(indices, return_inverse=True)
    storage = STORAGES.get(values.dtype.name)
    total = np.zeros(
        (rows.size, *values.shape[1:]), storage.arithmetic if storage else values.dtype
    )
    with np.errstate(all="ignore"):
        np.add.at(total, place, values)
        return rows, total.astype(values.dtype, copy=False)


def chunks_of_rows(tensor: int, rows: np.ndarray, width: int, limit: int) -> np.ndarray:
    """Return the chunk table of some rows of a tensor, merging neighbours up to `limit` elements.

    Args:
        tensor: number of the tensor.
        rows: increasing row numbers.
        width: number of elements of a row.
        limit: largest number of elements of a chunk, unless one row has more.

    Returns:
        Rows of (tensor, start, start in the gradient, count), of shape (chunks, 4), int64.
    """
    if not rows.size or not width:
        return np.zeros((0, 4), np.int64)
    place = np.arange(rows.size)
    run_start = np.concatenate([[True], np.diff(rows) != 1])
    first_of_run = np.maximum.accumulate(np.where(run_start, place, 0))
    most = max(1, limit // width)
    is_start = run_start | ((place - first_of_run) % most == 0)
    starts = place[is_start]
    counts = np.diff(np.append(starts, rows.size))
    columns = [np.full(starts.size, tensor), rows[starts] * width, starts * width, counts * width]
    return np.ascontiguousarray(np.stack(columns, axis=1).astype(np.int64))
