"""Define numbers and arrays that carry a bound of their rounding error.

A `Value` holds the result of a formula in a wide type, and a bound of the rounding errors that the
same formula may have in the parameter's type, in whatever order its products and sums are computed.
So a difference within the bound is rounding, and a larger one is a fault. A comparison is doubtful
if its sides are closer than their bounds; a `where` with it has a bound that covers both branches.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import sympy

from learnerdsl.errors import LearnerError

WIDE = np.longdouble
"""The type values are computed in: with 64 bits of fraction on x86, float64 at least elsewhere."""

SCALAR_UNIT = 2.0**-53
SCALAR_REACH = 1000.0
SCALAR_LEAST = WIDE(np.finfo(np.float64).smallest_subnormal)
SCALAR_LARGEST = WIDE(np.finfo(np.float64).max) / 2


@dataclass(frozen=True)
class Precision:
    """The range and precision of a dtype.

    Attributes:
        dtype: dtype of the parameter.
        unit: largest relative error of one rounding.
        least: the smallest number above zero.
        largest: half of the largest number.
        reach: largest sum of the exponents of a product's factors for which no order of the
            factors overflows or underflows on the way.
    """

    dtype: np.dtype[Any]
    unit: float
    least: Any
    largest: Any
    reach: float

    @classmethod
    def of(cls, dtype: Any) -> "Precision":
        """Return the precision of float32 or float64."""
        info = np.finfo(dtype)
        reach = 0.95 * float(info.maxexp)
        least, largest = WIDE(info.smallest_subnormal), WIDE(info.max) / 2
        return cls(np.dtype(dtype), float(info.eps) / 2, least, largest, reach)


precision: ContextVar[Precision] = ContextVar("learnerdsl_check_precision")
"""The precision of the parameter whose rule runs."""


def _convert_nothing(expression: Any) -> "Value":
    msg = f"{expression} cannot be computed on arrays."
    raise LearnerError(msg)


def _operator(name: str, *, swapped: bool = False) -> Any:
    """Return a method for the operation of that name, with the value on its left or right."""

    def method(self: Any, other: Any) -> Any:
        operands = (other, self) if swapped else (self, other)
        with np.errstate(all="ignore"):
            return self.operations[name](*met(*operands))

    return method


class Value:
    """A model-wide or tensor scalar, or an array of the parameter's dtype.

    Attributes:
        number: the value in the wide type.
        bound: how far rounding may have moved it; infinite where no bound is known.
        is_array: whether it is computed in the parameter's dtype; scalars are in float64.
        origin: name of the operation and its operands, for derivatives; None for inputs and for
            results of `let` and `assign`, at which derivatives stop.
        uses_gradient: whether it depends on the gradient, for start values.
        is_matrix: whether functions of matrices or states that are matrices are in it, so that it
            may have other sides than the parameter.
    """

    __slots__ = (
        "_exponents",
        "_is_computed",
        "_terms",
        "bound",
        "is_array",
        "is_matrix",
        "number",
        "origin",
        "uses_gradient",
    )
    __array_ufunc__ = None
    from_expression: ClassVar[Callable[[Any], Any]] = _convert_nothing
    operations: ClassVar[dict[str, Callable[..., Any]]] = {}
    methods: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init__(
        self,
        number: Any,
        bound: Any = 0.0,
        is_array: bool = False,
        uses_gradient: bool = False,
    ) -> None:
        self.number = np.asarray(number, WIDE)
        self.bound = np.asarray(bound, WIDE)
        self.is_array = is_array
        self.origin: tuple[str, tuple[Any, ...]] | None = None
        self.uses_gradient = uses_gradient
        self.is_matrix = False
        self._exponents: Any = None
        self._is_computed = False
        self._terms: Any = None

    @property
    def is_computed(self) -> bool:
        """Whether a formula of the rule computed it; False for inputs."""
        return self._is_computed or self.origin is not None

    def computed_as(self, other: "Value") -> "Value":
        """Mark this value as computed if `other` is, and as a matrix; return it."""
        self._is_computed = other.is_computed
        self.is_matrix = other.is_matrix
        return self

    @property
    def exponents(self) -> Any:
        """The sum of the absolute exponents of a product's factors."""
        if self._exponents is None:
            size = np.abs(self.number)
            usable = np.isfinite(size) & (size > 0)
            self._exponents = np.abs(np.log2(np.where(usable, size, 1)))
        return self._exponents

    @property
    def terms(self) -> Any:
        """The sum of the absolute terms of a sum; for anything else its absolute value."""
        return np.abs(self.number) if self._terms is None else self._terms

    def __getattr__(self, name: str) -> Any:
        if name in self.methods:
            return partial(self.methods[name], self)
        msg = (
            f"{name} is an attribute of SymPy's expressions, which arrays do not have; "
            "ld.check cannot judge a rule that uses it."
        )
        raise AttributeError(msg)

    def __bool__(self) -> bool:
        # As in SymPy: a symbol is true, so a rule may write `x or 0`.
        return True

    def now(self) -> "Value":
        """Return the value itself; `ClockValue` overrides this with its present value."""
        return self

    def __neg__(self) -> "Value":
        return self.operations["neg"](self)

    def __pos__(self) -> "Value":
        return self

    __add__, __radd__ = _operator("add"), _operator("add", swapped=True)
    __sub__, __rsub__ = _operator("sub"), _operator("sub", swapped=True)
    __mul__, __rmul__ = _operator("mul"), _operator("mul", swapped=True)
    __truediv__, __rtruediv__ = _operator("truediv"), _operator("truediv", swapped=True)
    __pow__, __rpow__ = _operator("pow"), _operator("pow", swapped=True)
    __mod__, __rmod__ = _operator("mod"), _operator("mod", swapped=True)
    __floordiv__, __rfloordiv__ = _operator("floordiv"), _operator("floordiv", swapped=True)
    __lt__, __le__, __gt__, __ge__ = map(_operator, ("lt", "le", "gt", "ge"))

    def __abs__(self) -> "Value":
        return self.operations["abs"](self)


class Truth:
    """The result of a comparison.

    Attributes:
        holds: NumPy booleans.
        doubtful: where rounding can change the result.
        is_array: whether it has one result for each element.
        is_matrix: whether it compares matrices; see `Value`.
    """

    __slots__ = ("doubtful", "holds", "is_array", "is_matrix")
    __array_ufunc__ = None

    def __init__(self, holds: Any, doubtful: Any, is_array: bool, is_matrix: bool = False) -> None:
        self.holds, self.doubtful = np.asarray(holds), np.asarray(doubtful)
        self.is_array, self.is_matrix = is_array, is_matrix

    def __bool__(self) -> bool:
        msg = "cannot determine truth value of Relational"  # SymPy's words
        raise TypeError(msg)

    def __and__(self, other: Any) -> "Truth":
        other = as_truth(other)
        doubtful = (self.doubtful & (other.holds | other.doubtful)) | (other.doubtful & self.holds)
        return self._joined(self.holds & other.holds, doubtful, other)

    def __or__(self, other: Any) -> "Truth":
        return ~(~self & ~as_truth(other))

    def __xor__(self, other: Any) -> "Truth":
        other = as_truth(other)
        doubtful = self.doubtful | other.doubtful
        return self._joined(self.holds ^ other.holds, doubtful, other)

    def _joined(self, holds: Any, doubtful: Any, other: "Truth") -> "Truth":
        is_array = self.is_array or other.is_array
        return Truth(holds, doubtful, is_array, self.is_matrix or other.is_matrix)

    def __invert__(self) -> "Truth":
        return Truth(~self.holds, self.doubtful, self.is_array, self.is_matrix)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__


def as_truth(condition: Any) -> Truth:
    """Return a comparison of values, or a plain boolean, as a Truth."""
    if isinstance(condition, Truth):
        return condition
    if condition in (True, False):
        return Truth(bool(condition), False, False)
    if isinstance(condition, sympy.logic.boolalg.Boolean):
        return as_truth(Value.from_expression(condition))
    msg = f"{condition!r} is not a condition; write a comparison such as g > 0."
    raise LearnerError(msg)


def as_value(number: Any) -> Value:
    """Return a number or a SymPy expression as a Value."""
    if isinstance(number, Value):
        return number.now()
    if isinstance(number, sympy.Basic):
        return Value.from_expression(number)
    if hasattr(number, "_sympy_"):
        return Value.from_expression(number._sympy_())
    if isinstance(number, (int, float, np.number)) and not isinstance(number, bool):
        try:
            return Value(float(number))
        except OverflowError:
            return Value(np.inf if number > 0 else -np.inf)
    msg = f"{number!r} ({type(number).__name__}) is not a number."
    raise LearnerError(msg)


def met(*values: Any) -> list[Value]:
    """Return the operands of an operation; scalars are cast to the dtype of an array among them."""
    operands = [as_value(value) for value in values]
    if any(one.is_array for one in operands):
        return [one if one.is_array else cast(one) for one in operands]
    return operands


def cast(scalar: Value) -> Value:
    """Return a scalar rounded to the parameter's dtype."""
    kind = precision.get()
    number = kind.dtype.type(scalar.number).astype(WIDE)
    is_lost = np.isfinite(scalar.number) & (np.abs(scalar.number) > kind.largest)
    bound = scalar.bound + np.where(
        (scalar.bound > 0) | ((number == 0) & (scalar.number != 0)),
        kind.unit * np.abs(number) + kind.least,
        0,
    )
    result = Value(number, np.where(is_lost, np.inf, bound), True, scalar.uses_gradient)
    result.origin = ("same", (scalar,))
    return result
