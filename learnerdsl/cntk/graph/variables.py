"""The leaves of a graph: inputs, parameters and constants, told apart by their `op`."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from learnerdsl.cntk.checks import flag, shown
from learnerdsl.cntk.graph.defaults import NOT_GIVEN, given_or_default
from learnerdsl.cntk.graph.nodes import (
    HasArray,
    Node,
    Scalar,
    Shape,
    checked_shape,
    numbers,
    scalar_type,
)
from learnerdsl.errors import ArrayError, DtypeError


class Variable(Node):
    """A leaf of a graph, made by `input_variable`, `parameter` or `constant`."""

    def __init__(self, op: str, shape: Shape, dtype: npt.DTypeLike, name: str = "") -> None:
        super().__init__(op, (), {}, shape, dtype, name)

    @staticmethod
    def as_parameter(variable: Node) -> "Parameter":
        """Return `variable`, or raise if it is not a parameter."""
        if isinstance(variable, Parameter):
            return variable
        msg = f"{shown(variable)} is not a parameter; give a variable made by C.parameter."
        raise DtypeError(msg)


class Input(Variable):
    """A placeholder for data, filled at every evaluation.

    Attributes:
        is_sparse: whether data are scipy.sparse matrices with one row per sample.
        needs_gradient: whether `Function.grad` differentiates by it if `wrt` is left out.
    """

    def __init__(
        self, shape: Shape, dtype: npt.DTypeLike, name: str, is_sparse: bool, needs_gradient: bool
    ) -> None:
        super().__init__("input", shape, dtype, name)
        self.is_sparse = is_sparse
        self.needs_gradient = needs_gradient
        self.batched = True


class Stored(Variable):
    """A leaf with its own array, which is always changed in place."""

    def __init__(self, op: str, data: np.ndarray, name: str) -> None:
        super().__init__(op, data.shape, data.dtype, name)
        self._memory = data

    @property
    def memory(self) -> np.ndarray:
        """The array itself, not a copy, which learners update in place."""
        return self._memory

    def use_memory(self, array: np.ndarray) -> None:
        """Store the numbers in `array` from now on; it must hold them already."""
        self._memory = array

    @property
    def value(self) -> np.ndarray:
        """A copy of the array; assigning to it copies into the array."""
        return self._memory.copy()

    @value.setter
    def value(self, value: "npt.ArrayLike | HasArray") -> None:
        self.set_value(value)

    def set_value(self, value: "npt.ArrayLike | HasArray") -> None:
        """Copy an array of the same shape, or one number for all elements, into the array."""
        array = numbers(value, f"The value for {self!r}")
        if array.shape not in ((), self.shape):
            msg = (
                f"{self!r} cannot take a value of shape {array.shape}; "
                f"give an array of shape {self.shape}, or one number."
            )
            raise ArrayError(msg)
        self._memory[...] = array

    def asarray(self) -> np.ndarray:
        """Return a copy of the array, like `value`."""
        return self.value


class Parameter(Stored):
    """A value that learners update in place.

    Args:
        shape: an int or a tuple; the shape of `init` if left out.
        init: a number, an array or an initialiser such as `glorot_uniform()`; 0 if left out.
        dtype: `numpy.float32` (unless `init` is a float64 array) or `numpy.float64`.
        device: accepted for compatibility with CNTK, ignored; everything is on the CPU.
        name: any text; names need not be unique.

    Example:
        >>> import learnerdsl.cntk as C
        >>> C.Parameter((2, 2), init=1).value
        array([[1., 1.],
               [1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        shape: int | Sequence[int] | None = None,
        init: Any = None,
        dtype: npt.DTypeLike = NOT_GIVEN,
        device: object = None,
        name: str = "",
    ) -> None:
        super().__init__("parameter", _initial(0 if init is None else init, shape, dtype), name)


class Constant(Stored):
    """A value that learners do not update; `assign` can still change it.

    Args:
        value: a number, an array or an initialiser.
        shape: an int or a tuple; one number fills it. The shape of `value` if left out.
        dtype: `numpy.float32` (unless `value` is a float64 array) or `numpy.float64`.
        device: accepted for compatibility with CNTK, ignored; everything is on the CPU.
        name: any text; names need not be unique.

    Example:
        >>> import learnerdsl.cntk as C
        >>> C.Constant(0.5, shape=3).value
        array([0.5, 0.5, 0.5], dtype=float32)
    """

    def __init__(
        self,
        value: Any = None,
        shape: int | Sequence[int] | None = None,
        dtype: npt.DTypeLike = NOT_GIVEN,
        device: object = None,
        name: str = "",
    ) -> None:
        if value is None and shape is None:
            msg = "A constant needs a value or a shape; write constant(0) or constant(shape=3)."
            raise ArrayError(msg)
        super().__init__("constant", _initial(0 if value is None else value, shape, dtype), name)


def input_variable(
    shape: int | Sequence[int],
    dtype: npt.DTypeLike = NOT_GIVEN,
    needs_gradient: bool = False,
    is_sparse: bool = False,
    dynamic_axes: object = None,
    name: str = "",
) -> Input:
    """Make an input of a graph, a placeholder for data.

    Args:
        shape: shape of one sample, without the batch axis.
        dtype: `numpy.float32` or `numpy.float64`.
        needs_gradient: whether `Function.grad` differentiates by it if `wrt` is left out.
        is_sparse: whether data are scipy.sparse matrices with one row per sample.
        dynamic_axes: accepted for compatibility with CNTK, ignored; there is always one, the batch.
        name: any text; as a keyword it selects the argument in `function(name=...)`.

    Returns:
        The input, to be used as a key of the dicts that `eval` and `grad` take.

    Example:
        >>> import learnerdsl.cntk as C
        >>> x = C.input_variable(2)
        >>> (x * 2).eval({x: [[1, 2], [3, 4]]})
        array([[2., 4.],
               [6., 8.]], dtype=float32)
    """
    checked = checked_shape(shape)
    sparse, differentiable = flag("is_sparse", is_sparse), flag("needs_gradient", needs_gradient)
    if sparse and len(checked) != 1:
        msg = f"A sparse input has one axis, got {shape=}; give the number of columns."
        raise ArrayError(msg)
    return Input(checked, default_dtype(dtype), name, sparse, differentiable)


def parameter(
    shape: int | Sequence[int] | None = None,
    init: Any = None,
    dtype: npt.DTypeLike = NOT_GIVEN,
    device: object = None,
    name: str = "",
) -> Parameter:
    """Make a `Parameter`, which describes the arguments."""
    return Parameter(shape, init, dtype, device, name)


def constant(
    value: Any = None,
    shape: int | Sequence[int] | None = None,
    dtype: npt.DTypeLike = NOT_GIVEN,
    device: object = None,
    name: str = "",
) -> Constant:
    """Make a `Constant`, which describes the arguments."""
    return Constant(value, shape, dtype, device, name)


def default_dtype(dtype: npt.DTypeLike) -> npt.DTypeLike:
    """Return `dtype`, or the default if it was left out."""
    given = given_or_default("dtype", dtype, None)
    return np.float32 if given is None else given


def _initial(init: Any, shape: int | Sequence[int] | None, dtype: npt.DTypeLike) -> np.ndarray:
    """Return a new array for a parameter or constant."""
    given = given_or_default("dtype", dtype, None)
    if given is None:
        wide = isinstance(init, np.ndarray) and init.dtype == np.float64
        given = np.float64 if wide else np.float32
    kind = scalar_type(given)
    if callable(init):
        if shape is None:
            msg = "An initialiser needs the shape of the array that it fills; give shape=..."
            raise ArrayError(msg)
        full = checked_shape(shape)
        drawn: Any = init(full, kind)
        start = numbers(drawn, "The array from the initialiser")
    else:
        start = numbers(init, "The initial value")
        full = start.shape if shape is None else checked_shape(shape)
    if start.shape != full and math.prod(start.shape) != 1:
        msg = (
            f"An initial value of shape {start.shape} does not fit {shape=}; leave out the shape, "
            "or give one number."
        )
        raise ArrayError(msg)
    data = _new_memory(full, kind)
    data[...] = start.reshape(full) if start.shape == full else start.reshape(())
    return data


def _new_memory(shape: Shape, dtype: Scalar) -> np.ndarray:
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):
        msg = f"An array of shape {shape} does not fit into memory; give a smaller shape."
        raise ArrayError(msg) from None
