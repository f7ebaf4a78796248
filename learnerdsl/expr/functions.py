"""Elementwise functions under the names of NumPy, and nodes for random numbers."""

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
    """A random number for each element, a function of seed, step, tensor, element and `stream`."""

    is_commutative = True
    is_real = True
    distribution = ""

    def __new__(cls, where_from: Any, stream: Any) -> Any:
        """Build the node from the symbol `position` and the number of the draw in its rule."""
        return sympy.Expr.__new__(cls, where_from, sympy.Integer(stream))

    @property
    def stream(self) -> int:
        """Number of the draw within its rule."""
        return int(self.args[1])  # type: ignore[arg-type]

    def _latex(self, printer: Any) -> str:
        del printer
        return rf"\mathrm{{{self.distribution}}}_{{{self.stream}}}"

    def _pretty(self, printer: Any) -> Any:
        return printer._print(sympy.Symbol(f"{self.distribution}_{self.stream}"))

    def _sympystr(self, printer: Any) -> str:
        del printer
        return f"{self.distribution}_{self.stream}()"


class NormalDraw(Draw):
    """A draw from the standard normal distribution."""

    distribution = "normal"


class UniformDraw(Draw):
    """A draw from the uniform distribution on [0, 1)."""

    distribution = "uniform"


def expression(value: Any) -> sympy.Expr:
    """Return `value` as a SymPy expression.

    Raises:
        RuleError: `value` is text, an array, a bool or a condition.
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
    """Return `value`; raise RuleError if it is a constant that is not a real number."""
    if value.is_number and value.is_extended_real is False:
        msg = f"{brief(value)} is not a real number; rules compute with real numbers only."
        raise RuleError(msg)
    return value


_ELEMENTWISE = """It applies to each element, in the parameter's dtype, and to scalars, in float64.
The result is NaN for NaN. `sympy.diff` knows its derivative.

Args:
    arguments: expressions or numbers, in the order of the signature; they broadcast.

Raises:
    RuleError: an argument is not an expression, or a constant has no finite real value.
    TypeError: the number of arguments is wrong.
"""


def _public(row: Function) -> Any:
    """Return the function that rules call for a row of `FUNCTIONS`."""

    def function(*arguments: Any) -> sympy.Expr:
        if len(arguments) != len(row.arguments):
            msg = (
                f"expected {row.name}({', '.join(row.arguments)}), got {len(arguments)} arguments."
            )
            raise TypeError(msg)
        operands = [expression(argument) for argument in arguments]
        for operand in operands:
            if isinstance(operand, sympy.Float):
                # Refuse numbers that float64 cannot hold: SymPy may loop forever on them.
                number_of(operand)
        return _real(row.node(*operands))

    function.__name__ = function.__qualname__ = row.name
    function.__doc__ = f"{row.summary}\n\n{_ELEMENTWISE}"
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in row.arguments]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


def where(condition: Any, then: Any, otherwise: Any) -> sympy.Expr:
    """Return `then` where `condition` holds and `otherwise` elsewhere, like numpy.where.

    The three arguments broadcast: each may be a number, one value per tensor, or one per element.
    A NaN in the value that is not chosen does not matter.

    Args:
        condition: a comparison, or several joined by `&`, `|`, `~`. Comparisons with NaN are
            false. Write equality as `equal(a, b)`, because `==` compares symbols; every k-th step
            is `equal(step % k, 0)`.
        then: an expression.
        otherwise: an expression.

    Raises:
        RuleError: `condition` is not a condition, or a value is not an expression.

    >>> from learnerdsl.expr import step, where
    >>> where(step > 10, 1, 2)
    where(step > 10, 1, 2)
    """
    given = as_condition(condition)
    holds = given if isinstance(given, Condition) else adopted(given)
    return Where(holds, expression(then), expression(otherwise))


def clip(x: Any, low: Any, high: Any) -> sympy.Expr:
    """Return `x` limited to the interval from `low` to `high`, like numpy.clip.

    The result is NaN where one of the three is NaN, and `high` where `low` exceeds `high`.
    """
    return minimum(maximum(x, low), high)


def maximum(value: Any, *others: Any) -> sympy.Expr:
    """Return the elementwise largest of the arguments, which broadcast; NaN where one is NaN."""
    return Maximum(*map(expression, (value, *others)))


def minimum(value: Any, *others: Any) -> sympy.Expr:
    """Return the elementwise smallest of the arguments, which broadcast; NaN where one is NaN."""
    return Minimum(*map(expression, (value, *others)))


def equal(a: Any, b: Any) -> Any:
    """Return the condition that `a` equals `b`, for each element; false where one is NaN."""
    return Equal(expression(a), expression(b))


def not_equal(a: Any, b: Any) -> Any:
    """Return the condition that `a` differs from `b`, for each element; true where one is NaN."""
    return NotEqual(expression(a), expression(b))


def abs(x: Any) -> sympy.Expr:
    """Return the absolute value; NaN for NaN."""
    return size_of(expression(x))


def floor(x: Any) -> sympy.Expr:
    """Return the largest whole number that is not above `x`; NaN for NaN.

    A quotient of whole numbers, such as `(step - 1) / 3`, is rounded only once, before the floor.
    """
    return rounded_down(expression(x))


def ceil(x: Any) -> sympy.Expr:
    """Return the smallest whole number that is not below `x`; NaN for NaN."""
    return rounded_up(expression(x))


def sqrt(x: Any) -> sympy.Expr:
    """Return the square root; NaN for NaN and below 0.

    Raises:
        RuleError: `x` is a negative constant.
    """
    return _real(sympy.sqrt(expression(x)))


def isnan(x: Any) -> Any:
    """Return the condition that `x` is NaN, for each element."""
    return not_equal(x, x)


def isfinite(x: Any) -> Any:
    """Return the condition that `x` is neither NaN nor infinite, for each element."""
    return IsFinite(expression(x))


_WRITTEN_OUT = ("abs", "ceil", "floor", "sqrt")
"""Functions that are written out above instead of being built from their row."""

ELEMENTARY: dict[str, Any] = {
    row.name: globals()[row.name] if row.name in _WRITTEN_OUT else _public(row) for row in FUNCTIONS
}
"""Name -> the function that rules call, for every row of `FUNCTIONS`."""
