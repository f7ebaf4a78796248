"""Values that wrap NumPy arrays, returned by `eval(..., as_numpy=False)`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from learnerdsl.cntk.checks import is_whole, shown
from learnerdsl.cntk.graph.nodes import Shape, numbers
from learnerdsl.errors import ArrayError


class _Numbers:
    """An array with CNTK's interface."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = numbers(array, "The array")

    @property
    def shape(self) -> Shape:
        """Number of elements along each axis."""
        return self._array.shape

    @property
    def dtype(self) -> Any:
        """Type of the numbers."""
        return self._array.dtype.type

    def asarray(self) -> np.ndarray:
        """Return a copy of the numbers."""
        return self._array.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._array, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shape}, {self.dtype.__name__})"


class NDArrayView(_Numbers):
    """A view of an array; only `asarray` makes a copy.

    Args:
        array: the numbers; not copied.

    Example:
        >>> import learnerdsl.cntk as C
        >>> view = C.NDArrayView.from_dense([[1.0, 2.0], [3.0, 4.0]])
        >>> view.slice_view([1, 0], [2]).asarray()
        array([3., 4.])
    """

    @staticmethod
    def from_dense(array: npt.ArrayLike) -> "NDArrayView":
        """Copy an array, and return a view of the copy."""
        return NDArrayView(np.array(numbers(array, "The array")))

    def slice_view(
        self, start_offset: Sequence[int], extent: Sequence[int], read_only: bool = True
    ) -> "NDArrayView":
        """Return a part of the view, in the same memory.

        Args:
            start_offset: index of the part's first element along each axis.
            extent: size of the part along the last axes; leading axes without a size are dropped
                from the result.
            read_only: accepted for compatibility with CNTK, ignored.
        """
        rank = len(self.shape)
        for name, given in (("start_offset", start_offset), ("extent", extent)):
            if not isinstance(given, (tuple, list)) or not all(map(is_whole, given)):
                msg = f"slice_view needs a list of ints as {name}, got {shown(given)}."
                raise ArrayError(msg)
        if len(start_offset) != rank or len(extent) > rank:
            msg = (
                f"slice_view of shape {self.shape} needs {rank} offsets and at most as many sizes, "
                f"got {start_offset=} and {extent=}."
            )
            raise ArrayError(msg)
        single = rank - len(extent)
        ends = [k + n for k, n in zip(start_offset[single:], extent, strict=True)]
        ends = [k + 1 for k in start_offset[:single]] + ends
        inside = zip(start_offset, ends, self.shape, strict=True)
        if not all(0 <= first < end <= size for first, end, size in inside):
            msg = (
                f"{start_offset=}, {extent=} select nothing, or reach outside of shape "
                f"{self.shape}."
            )
            raise ArrayError(msg)
        parts = zip(start_offset[single:], ends[single:], strict=True)
        key = (*start_offset[:single], *(slice(first, end) for first, end in parts))
        return NDArrayView(self._array[tuple(key)])


class Value(_Numbers):
    """The value of a function, from `eval(..., as_numpy=False)`, with a batch axis first, if any.

    Args:
        array: the numbers; not copied.
    """

    @property
    def data(self) -> NDArrayView:
        """The numbers, with `slice_view`."""
        return NDArrayView(self._array)
