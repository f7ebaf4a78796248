"""Numbers and arrays that know how far rounding can move them.

A `Value` holds what a formula gives in a wide type, and a bound of the rounding errors that the
same formula may have in the parameter's type, however its products and sums are ordered. So a
difference within the bound is rounding, and one beyond it is a fault. A comparison whose sides are
closer than their bounds is doubtful: a `where` with it has a bound that covers both branches.
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
    """What arrays of a dtype can hold.

    Attributes:
        dtype: of the parameter.
        unit: largest relative error of one rounding.
        least: the least number above zero.
        largest: half of the largest number.
        reach: how far the exponents of the factors of a product may go together. Beyond it some
            order of the factors leaves the range of the type on the way.
    """

    dtype: np.dtype[Any]
    unit: float
    least: Any
    largest: Any
    reach: float

    @classmethod
    def of(cls, dtype: Any) -> "Precision":
        """That of float32 or float64."""
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
    """A method that does the operation of that name with what stands beside the value."""

    def method(self: Any, other: Any) -> Any:
        operands = (other, self) if swapped else (self, other)
        with np.errstate(all="ignore"):
            return self.operations[name](*met(*operands))

    return method


class Value:
    """A scalar of the model or a tensor, or an array of the parameter's dtype.

    Attributes:
        number: the value in the wide type.
        bound: how far rounding may have moved it; infinite where nothing can be said.
        is_array: whether it is computed in the parameter's dtype; a scalar is in float64.
        origin: name of the operation and its operands, for derivatives; None for inputs and for
            what a `let` or `assign` gives, which derivatives do not look through.
        uses_gradient: whether the gradient is in it, for start values.
    """

    __slots__ = (
        "_exponents",
        "_is_computed",
        "_terms",
        "bound",
        "is_array",
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
        self._exponents: Any = None
        self._is_computed = False
        self._terms: Any = None

    @property
    def is_computed(self) -> bool:
        """Whether a formula of the rule gave it, not the caller."""
        return self._is_computed or self.origin is not None

    def computed_as(self, other: "Value") -> "Value":
        """Mark it as computed if `other` is, and return it."""
        self._is_computed = other.is_computed
        return self

    @property
    def exponents(self) -> Any:
        """The exponents of the factors of a product, added up without signs."""
        if self._exponents is None:
            size = np.abs(self.number)
            usable = np.isfinite(size) & (size > 0)
            self._exponents = np.abs(np.log2(np.where(usable, size, 1)))
        return self._exponents

    @property
    def terms(self) -> Any:
        """The sizes of the terms of a sum, added up; the size of anything else."""
        return np.abs(self.number) if self._terms is None else self._terms

    def __getattr__(self, name: str) -> Any:
        if name in self.methods:
            return partial(self.methods[name], self)
        msg = (
            f"{name} is an attribute of SymPy's expressions, which arrays have not; "
            "ld.check cannot judge a rule that uses it."
        )
        raise AttributeError(msg)

    def __bool__(self) -> bool:
        # As SymPy has it: a symbol is true, and a rule may ask `x or 0`.
        return True

    def now(self) -> "Value":
        """The value itself; a scalar of the clock is another one in every update."""
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
    """What a comparison gives.

    Attributes:
        holds: NumPy booleans.
        doubtful: where rounding can turn them round.
        is_array: whether there is one for each element.
    """

    __slots__ = ("doubtful", "holds", "is_array")
    __array_ufunc__ = None

    def __init__(self, holds: Any, doubtful: Any, is_array: bool) -> None:
        self.holds, self.doubtful = np.asarray(holds), np.asarray(doubtful)
        self.is_array = is_array

    def __bool__(self) -> bool:
        msg = "cannot determine truth value of Relational"  # as SymPy says it
        raise TypeError(msg)

    def __and__(self, other: Any) -> "Truth":
        other = as_truth(other)
        doubtful = (self.doubtful & (other.holds | other.doubtful)) | (other.doubtful & self.holds)
        return Truth(self.holds & other.holds, doubtful, self.is_array or other.is_array)

    def __or__(self, other: Any) -> "Truth":
        return ~(~self & ~as_truth(other))

    def __xor__(self, other: Any) -> "Truth":
        other = as_truth(other)
        doubtful = self.doubtful | other.doubtful
        return Truth(self.holds ^ other.holds, doubtful, self.is_array or other.is_array)

    def __invert__(self) -> "Truth":
        return Truth(~self.holds, self.doubtful, self.is_array)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__


def as_truth(condition: Any) -> Truth:
    """A condition: of values, or a plain truth value."""
    if isinstance(condition, Truth):
        return condition
    if condition in (True, False):
        return Truth(bool(condition), False, False)
    if isinstance(condition, sympy.logic.boolalg.Boolean):
        return as_truth(Value.from_expression(condition))
    msg = f"{condition!r} is not a condition; write a comparison such as g > 0."
    raise LearnerError(msg)


def as_value(number: Any) -> Value:
    """A number, or an expression of SymPy's, as a value."""
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
    """Values that meet in an operation: scalars are cast to the dtype of an array beside them."""
    operands = [as_value(value) for value in values]
    if any(one.is_array for one in operands):
        return [one if one.is_array else cast(one) for one in operands]
    return operands


def cast(scalar: Value) -> Value:
    """A scalar in the parameter's dtype."""
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
