"""`Node`, the base of the leaves and operations of a graph, and checks of its shape and dtype.

A node has an operation (`op`, a short string), `inputs` (nodes) and `attributes`. Comparing nodes
with == compares identity, so that nodes can be keys of dicts; `equal` compares values.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from learnerdsl.cntk.checks import LARGEST, is_whole, shown
from learnerdsl.cntk.graph.registered import Registered
from learnerdsl.errors import ArrayError, DtypeError, HyperparameterError
from learnerdsl.storage import number_type

Shape: TypeAlias = tuple[int, ...]
Scalar: TypeAlias = type[np.floating[Any]]
Operand: TypeAlias = "Node | npt.ArrayLike"

apply = Registered()
"""Make the function of an operation; `functions.py` registers and describes it."""

_counter = itertools.count()


@runtime_checkable
class HasArray(Protocol):
    """An object with an array of numbers, such as `eval(..., as_numpy=False)` returns."""

    def asarray(self) -> np.ndarray:
        """Return the numbers as a NumPy array."""
        ...


class Node:
    """A value in a graph, made by an operation or a leaf.

    Attributes:
        op: name of the operation, such as "plus".
        inputs: the nodes that the operation reads.
        attributes: options of the operation, such as "axis".
        shape: shape of one sample, without the batch axis.
        dtype: `numpy.float32` or `numpy.float64`.
        name: the name that the user gave, else empty.
        uid: a unique name.
        batched: whether values have a batch axis, which is so if the node depends on an input.
    """

    __array_ufunc__ = None  # lets `array * node` reach our own operators

    def __init__(
        self,
        op: str,
        inputs: Sequence["Node"],
        attributes: Mapping[str, Any],
        shape: Shape,
        dtype: npt.DTypeLike,
        name: str = "",
    ) -> None:
        self.op = op
        self.inputs: tuple[Node, ...] = tuple(inputs)
        self.attributes: dict[str, Any] = dict(attributes)
        self.shape = shape
        self.dtype = scalar_type(dtype)
        self.name = checked_name(name)
        self.uid = f"{''.join(part.title() for part in op.split('_'))}{next(_counter)}"
        self.batched = any(node.batched for node in self.inputs)

    is_input = property(lambda self: self.op == "input")
    is_parameter = property(lambda self: self.op == "parameter")
    is_constant = property(lambda self: self.op == "constant")
    is_output = property(lambda self: bool(self.inputs))

    @property
    def rank(self) -> int:
        """Number of axes of one sample."""
        return len(self.shape)

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name else ""
        batch = "[#], " if self.batched else ""
        return f"{self.uid}({name}{batch}{list(self.shape)}, {self.dtype.__name__})"

    def __bool__(self) -> bool:
        msg = (
            f"{self!r} is a node of a graph and does not have a truth value; "
            "use element_select(condition, if_true, if_false) instead of `if`, `and` and `or`."
        )
        raise DtypeError(msg)

    def __add__(self, other: Operand) -> "Node":
        return apply("plus", (self, other))

    def __radd__(self, other: Operand) -> "Node":
        return apply("plus", (other, self))

    def __sub__(self, other: Operand) -> "Node":
        return apply("minus", (self, other))

    def __rsub__(self, other: Operand) -> "Node":
        return apply("minus", (other, self))

    def __mul__(self, other: Operand) -> "Node":
        return apply("element_times", (self, other))

    def __rmul__(self, other: Operand) -> "Node":
        return apply("element_times", (other, self))

    def __truediv__(self, other: Operand) -> "Node":
        return apply("element_divide", (self, other))

    def __rtruediv__(self, other: Operand) -> "Node":
        return apply("element_divide", (other, self))

    def __pow__(self, other: Operand) -> "Node":
        return apply("pow", (self, other))

    def __rpow__(self, other: Operand) -> "Node":
        return apply("pow", (other, self))

    def __matmul__(self, other: Operand) -> "Node":
        return apply("times", (self, other), {"output_rank": 1})

    def __rmatmul__(self, other: Operand) -> "Node":
        return apply("times", (other, self), {"output_rank": 1})

    def __neg__(self) -> "Node":
        return apply("negate", (self,))

    def __pos__(self) -> "Node":
        return self

    def __abs__(self) -> "Node":
        return apply("abs", (self,))

    def __lt__(self, other: Operand) -> "Node":
        return apply("less", (self, other))

    def __le__(self, other: Operand) -> "Node":
        return apply("less_equal", (self, other))

    def __gt__(self, other: Operand) -> "Node":
        return apply("greater", (self, other))

    def __ge__(self, other: Operand) -> "Node":
        return apply("greater_equal", (self, other))

    def __getitem__(self, key: object) -> "Node":
        return apply("getitem", (self,), {"key": index_entries(key)})

    def __iter__(self) -> Any:
        msg = f"{self!r} cannot be iterated over; take parts of it with slice or node[index]."
        raise DtypeError(msg)


def index_entries(key: Any) -> tuple[int | tuple[int | None, ...], ...]:
    """Return an index as ints and (start, stop, step) tuples, which can be written to files."""
    entries: list[int | tuple[int | None, ...]] = []
    for entry in key if isinstance(key, tuple) else (key,):
        bounds = (entry.start, entry.stop, entry.step) if isinstance(entry, slice) else (entry,)
        if entry is None or not all(is_whole(k) or k is None for k in bounds):
            msg = (
                f"node[{shown(key)}] does not select a part of a node; use ints and slices of ints."
            )
            raise DtypeError(msg)
        if isinstance(entry, slice):
            entries.append(tuple(None if k is None else int(k) for k in bounds))
        else:
            entries.append(int(entry))
    return tuple(entries)


def scalar_type(dtype: npt.DTypeLike) -> Scalar:
    """Return `numpy.float32` or `numpy.float64`; raise for any other type."""
    try:
        known = np.dtype(dtype)
    except (TypeError, ValueError, DeprecationWarning):  # the last where warnings are errors
        msg = f"dtype={shown(dtype)} is not a number type; give numpy.float32 or numpy.float64."
        raise DtypeError(msg) from None
    return cast(Scalar, number_type(known, "A variable").numpy.type)


MOST_AXES = 32
"""NumPy allows 64; some operations double the number of axes, and the batch needs one."""


def checked_shape(shape: int | Sequence[int]) -> Shape:
    """Return `shape` as a tuple of positive ints."""
    sizes: Any = (shape,) if is_whole(shape) else shape
    whole = isinstance(sizes, (tuple, list)) and all(map(is_whole, sizes))
    if not whole or any(n < 1 for n in sizes):
        msg = (
            f"shape={shown(shape)} cannot be the shape of a variable; "
            "give a positive int or a tuple of them."
        )
        raise ArrayError(msg)
    if len(sizes) > MOST_AXES or math.prod(int(n) for n in sizes) > LARGEST:
        msg = (
            f"shape={shown(shape)} is too large; give at most {MOST_AXES} sizes, "
            "and no more elements than fit into memory."
        )
        raise ArrayError(msg)
    return tuple(int(n) for n in sizes)


def checked_name(name: str) -> str:
    """Return `name`, or raise if it is not a string."""
    if not isinstance(name, str):
        msg = f"name={shown(name)} is not a name; give a string."
        raise HyperparameterError(msg)
    return name


def numbers(value: "npt.ArrayLike | HasArray", what: str = "The value") -> np.ndarray:
    """Return `value` as an array of real numbers; `what` names it in error messages."""
    source = value.asarray() if isinstance(value, HasArray) else value
    if isinstance(source, np.ma.MaskedArray):
        msg = f"{what} is a masked array, and masks are not supported; give array.filled(0)."
        raise ArrayError(msg)
    try:
        # NumPy would turn an int beyond 64 bits into an array of objects.
        array = np.asarray(float(source) if type(source) is int else source)
    except (ValueError, OverflowError):
        msg = f"{what} is {shown(source)}; give numbers, in rows of the same length."
        raise ArrayError(msg) from None
    if array.dtype.kind not in "biuf":
        kind = type(source).__name__ if array.dtype.hasobject else f"dtype {array.dtype}"
        msg = f"{what} is {shown(source)} ({kind}); give real numbers."
        raise DtypeError(msg)
    return array
