"""The functions of elements, under the names of NumPy, and random numbers."""

import inspect
from typing import Any

import sympy
from sympy.logic.boolalg import Boolean

from learnerdsl.elementary import FUNCTIONS, Function
from learnerdsl.errors import RuleError
from learnerdsl.expr.adopting import adopted
from learnerdsl.expr.constants import number_of
from learnerdsl.expr.graph import brief
from learnerdsl.expr.nodes import Condition, Equal, IsFinite, Maximum, Minimum, NotEqual, Where
from learnerdsl.expr.nodes import condition as as_condition
from learnerdsl.expr.operators import rounded_down, rounded_up, size_of

pi = sympy.pi


class Draw(sympy.Expr):
    """A random number of each element: a function of seed, step, tensor, element and `stream`."""

    is_commutative = True
    is_real = True
    distribution = ""

    def __new__(cls, where_from: Any, stream: Any) -> Any:
        """Build the node from `position` and the number of the draw within its rule."""
        return sympy.Expr.__new__(cls, where_from, sympy.Integer(stream))

    @property
    def stream(self) -> int:
        """Number of the draw within its rule."""
        return int(self.args[1])  # type: ignore[arg-type]

    def _latex(self, printer: Any) -> str:
        del printer
        return rf"\mathrm{{{self.distribution}}}_{{{self.stream}}}"

    def _sympystr(self, printer: Any) -> str:
        del printer
        return f"{self.distribution}_{self.stream}()"


class NormalDraw(Draw):
    """Standard normal."""

    distribution = "normal"


class UniformDraw(Draw):
    """Uniform from 0 up to and without 1."""

    distribution = "uniform"


def expression(value: Any) -> sympy.Expr:
    """Return `value` as a SymPy expression.

    Raises:
        RuleError: it is text, an array, a truth value or a condition.
    """
    if isinstance(value, sympy.Expr):
        return value
    if isinstance(value, Boolean) and value.args:
        text = brief(value)
        msg = (
            f"{text} ({type(value).__name__}) is not an expression but a condition; write "
            f"where({text}, 1, 0) for 1 where it holds and 0 elsewhere."
        )
        raise RuleError(msg)
    if not isinstance(value, (str, bool)):
        try:
            sympified = sympy.sympify(value, strict=True)
        except sympy.SympifyError:
            sympified = None
        if isinstance(sympified, sympy.Expr):
            return sympified
    msg = (
        f"{value!r} ({type(value).__name__}) is not an expression; "
        "write symbols, numbers and the functions of learnerdsl or sympy."
    )
    raise RuleError(msg)


def _real(value: Any) -> sympy.Expr:
    """Return a value; RuleError if it is a constant that is not a real number."""
    if value.is_number and value.is_extended_real is False:
        msg = f"{brief(value)} is not a real number; rules compute with real numbers only."
        raise RuleError(msg)
    return value


def _public(row: Function) -> Any:
    """Return the function of expressions that rules call."""

    def function(*arguments: Any) -> sympy.Expr:
        if len(arguments) != len(row.arguments):
            msg = (
                f"expected {row.name}({', '.join(row.arguments)}), got {len(arguments)} arguments."
            )
            raise TypeError(msg)
        operands = [expression(argument) for argument in arguments]
        for operand in operands:
            if isinstance(operand, sympy.Float):
                number_of(operand)  # Refused beyond float64, where SymPy may not come to an end.
        return _real(row.node(*operands))

    function.__name__ = function.__qualname__ = row.name
    function.__doc__ = row.summary
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in row.arguments]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


def where(condition: Any, then: Any, otherwise: Any) -> sympy.Expr:
    """Return `then` where `condition` holds and `otherwise` elsewhere, as numpy.where.

    Args:
        condition: a comparison, or a combination of several with `&`, `|`, `~`. Comparisons with
            NaN are false; equality is written `equal(a, b)`, because `==` compares symbols. Every
            k-th step is `equal(step % k, 0)`.
        then: an expression.
        otherwise: an expression.

    Raises:
        RuleError: `condition` is no condition.

    >>> from learnerdsl.expr import step, where
    >>> where(step > 10, 1, 2)
    where(step > 10, 1, 2)
    """
    given = as_condition(condition)
    holds = given if isinstance(given, Condition) else adopted(given)
    return Where(holds, expression(then), expression(otherwise))


def clip(x: Any, low: Any, high: Any) -> sympy.Expr:
    """Return `x` limited to the interval from `low` to `high`, as numpy.clip."""
    return minimum(maximum(x, low), high)


def maximum(value: Any, *others: Any) -> sympy.Expr:
    """Return the largest of some values; NaN if one is NaN, as numpy.maximum."""
    return Maximum(*map(expression, (value, *others)))


def minimum(value: Any, *others: Any) -> sympy.Expr:
    """Return the smallest of some values; NaN if one is NaN, as numpy.minimum."""
    return Minimum(*map(expression, (value, *others)))


def equal(a: Any, b: Any) -> Any:
    """Return the condition that two values are equal; false where one is NaN."""
    return Equal(expression(a), expression(b))


def not_equal(a: Any, b: Any) -> Any:
    """Return the condition that two values differ; true where one is NaN."""
    return NotEqual(expression(a), expression(b))


def abs(x: Any) -> sympy.Expr:
    """Return the absolute value."""
    return size_of(expression(x))


def floor(x: Any) -> sympy.Expr:
    """Return the largest whole number that is not above `x`.

    A quotient of whole numbers, such as `(step - 1) / 3`, is rounded once, before the floor.
    """
    return rounded_down(expression(x))


def ceil(x: Any) -> sympy.Expr:
    """Return the smallest whole number that is not below `x`."""
    return rounded_up(expression(x))


def sqrt(x: Any) -> sympy.Expr:
    """Return the square root; NaN below 0."""
    return _real(sympy.sqrt(expression(x)))


def isnan(x: Any) -> Any:
    """Return the condition that `x` is NaN."""
    return not_equal(x, x)


def isfinite(x: Any) -> Any:
    """Return the condition that `x` is neither NaN nor infinite."""
    return IsFinite(expression(x))


_WRITTEN_OUT = ("abs", "ceil", "floor", "sqrt")
"""Functions with a definition of their own above."""

ELEMENTARY: dict[str, Any] = {
    row.name: globals()[row.name] if row.name in _WRITTEN_OUT else _public(row) for row in FUNCTIONS
}
"""Name -> the function of expressions, for every row of `FUNCTIONS`."""
