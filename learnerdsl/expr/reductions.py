"""Sums, means, norms and maxima: over a tensor, over the model, or over axes."""

import builtins
import re
from contextvars import ContextVar
from typing import Any, ClassVar

import sympy
from sympy.core.symbol import Str
from sympy.printing.precedence import PRECEDENCE

from learnerdsl.errors import RuleError
from learnerdsl.expr.functions import expression, sqrt, where
from learnerdsl.expr.nodes import Equal, Greater, Where
from learnerdsl.expr.symbols import (
    AxisSize,
    GradientSymbol,
    ParameterSymbol,
    StateSymbol,
    model_size,
    tensor_size,
)
from learnerdsl.monoids import MAX, MIN, PROD, SUM, Monoid

Axis = int | tuple[int, ...] | None
_AXES = re.compile(r"axes( -?\d+)+")

written: ContextVar[list["Reduction"] | None] = ContextVar("learnerdsl_written", default=None)
"""Takes the reductions over the model in the order in which a rule under trace writes them."""


class Reduction(sympy.Expr):
    """A value reduced over all elements of a tensor or of the model, or over axes of a tensor.

    `sympy.diff` with respect to an element symbol gives the derivative with respect to that
    element's own contribution, as in the gradient of a loss with a norm in it.
    """

    is_commutative = True
    is_real = True
    monoid: ClassVar[Monoid]

    def __new__(cls, argument: Any, over: Any = "tensor", block: Any = 0) -> "Reduction":
        """Build the node; `over` is "tensor", "model" or the axes, `block` that of `sum`."""
        over = str(over)
        if over not in ("tensor", "model") and not _AXES.fullmatch(over):
            msg = (
                f"A reduction cannot range over {over!r}; write over='tensor' or over='model', "
                f"axis=0 for an axis, or {cls.monoid.instead}."
            )
            raise RuleError(msg)
        if not isinstance(block, (int, sympy.Integer)) or block < 0:
            msg = f"A sum takes its elements in blocks of a whole number, got block={block!r}."
            raise RuleError(msg)
        node = sympy.Expr.__new__(cls, expression(argument), Str(over), sympy.Integer(block))
        record = written.get()
        if record is not None and over == "model":
            record.append(node)
        return node

    @property
    def argument(self) -> sympy.Expr:
        """The expression of one element."""
        return self.args[0]  # type: ignore[return-value]

    @property
    def over(self) -> str:
        """What it ranges over: "tensor", "model", or axes as "axes 0 1"."""
        return str(self.args[1])

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes it ranges over; none where it ranges over the tensor or the model."""
        return tuple(int(number) for number in self.over.split()[1:])

    @property
    def block(self) -> int:
        """Elements of a block of a sum in the parameter's dtype; 0 for a sum in float64."""
        return int(self.args[2])  # type: ignore[arg-type]

    def _latex(self, printer: Any) -> str:
        body = printer.parenthesize(self.argument, PRECEDENCE["Mul"])
        if self.axes:
            return rf"{self.monoid.latex}_{{\mathrm{{axis}}\,{_listed(self.axes)}}} {body}"
        return rf"{self.monoid.latex}_{{\mathrm{{{self.over}}}}} {body}"

    def _sympystr(self, printer: Any) -> str:
        range_ = f"axis={_listed(self.axes)}" if self.axes else f"over={self.over!r}"
        return f"{self.monoid.name}({printer.doprint(self.argument)}, {range_})"


class SumOver(Reduction):
    """The sum over all elements; 0 over none."""

    monoid = SUM

    def _eval_is_nonnegative(self) -> bool | None:
        return self.argument.is_nonnegative

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        return sympy.diff(self.argument, symbol)


class _ExtremeOver(Reduction):
    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        attained = Equal(self.argument, self)
        return Where(attained, sympy.diff(self.argument, symbol), sympy.S.Zero)


class MaxOver(_ExtremeOver):
    """The largest element, NaN if there is one; -infinity over none."""

    monoid = MAX


class MinOver(_ExtremeOver):
    """The smallest element, NaN if there is one; infinity over none."""

    monoid = MIN


class ProdOver(Reduction):
    """The product of all elements; 1 over none."""

    monoid = PROD

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        return self / self.argument * sympy.diff(self.argument, symbol)


REDUCTIONS: dict[str, type[Reduction]] = {
    node.monoid.name: node for node in (SumOver, MaxOver, MinOver, ProdOver)
}
"""Name of a reduction -> its node."""


def sum(x: Any, over: str = "tensor", block: int = 0, axis: Axis = None) -> sympy.Expr:
    """The sum of `x` over all elements of each tensor, or of the model, or over axes; 0 over none.

    Args:
        x: an expression.
        over: "tensor" or "model".
        block: 0 adds in float64, in the order that is fastest. A number adds in the parameter's
            dtype and in memory order, so many elements at a time and these sums to the total (the
            elements left over at the end one by one). That is slower and less exact: it is there
            to reproduce the rounding of another library, for tensors of up to one chunk.
        axis: number of an axis or a tuple of them, as in NumPy. The result has one value for each
            index of the other axes, and meets other values as if those axes were kept.
    """
    return SumOver(x, _range(over, axis, block), block)


def mean(x: Any, over: str = "tensor", block: int = 0, axis: Axis = None) -> sympy.Expr:
    """The mean of `x` over all elements of each tensor, or of the model, or over axes.

    NaN over none. See `sum` for the arguments.
    """
    total = SumOver(x, _range(over, axis, block), block)
    if axis is not None:
        return total / _axes_size(axis)
    return total / (tensor_size if over == "tensor" else model_size)


def norm(x: Any, over: str = "tensor", axis: Axis = None) -> sympy.Expr:
    """The Euclidean norm of `x` over each tensor, or over the model, or over axes; see `sum`."""
    return sqrt(SumOver(expression(x) ** 2, _range(over, axis)))


def max(x: Any, over: str = "tensor", axis: Axis = None) -> sympy.Expr:
    """The largest `x` of each tensor, of the model, or along axes; NaN if there is one."""
    return MaxOver(x, _range(over, axis))


def min(x: Any, over: str = "tensor", axis: Axis = None) -> sympy.Expr:
    """Return the smallest `x` of each tensor, of the model, or along axes; NaN if there is one.

    Infinity over none. See `sum` for the arguments.
    """
    return MinOver(x, _range(over, axis))


def prod(x: Any, over: str = "tensor", axis: Axis = None) -> sympy.Expr:
    """Return the product of `x` over all elements of each tensor, or the model, or along axes.

    It is computed in float64, and is 1 over none. Its derivative divides by `x`, so it is NaN where
    an element is 0. See `sum` for the arguments.
    """
    return ProdOver(x, _range(over, axis))


def count(condition: Any, over: str = "tensor", axis: Axis = None) -> sympy.Expr:
    """Return the number of elements for which a condition holds; see `sum` for the arguments."""
    return SumOver(where(condition, 1, 0), _range(over, axis))


def any(condition: Any, over: str = "tensor", axis: Axis = None) -> Any:
    """Return the condition that another one holds for some element; false over none."""
    return Greater(count(condition, over, axis), 0)


def all(condition: Any, over: str = "tensor", axis: Axis = None) -> Any:
    """Return the condition that another one holds for every element; true over none."""
    return Equal(SumOver(where(condition, 0, 1), _range(over, axis)), 0)


def size(x: Any, over: str = "tensor", axis: Axis = None) -> sympy.Expr:
    """Number of elements of the tensor that `x`, a parameter or state, is of; or of the model.

    With `axis`, the number of indices of that axis, or the product of those of several.
    """
    if not isinstance(x, (ParameterSymbol, GradientSymbol, StateSymbol)):
        msg = f"size({x}) is not defined; write the size of the parameter, the gradient or a state."
        raise RuleError(msg)
    if axis is not None:
        return _axes_size(axis)
    if over not in ("tensor", "model"):
        msg = f"A size cannot range over {over!r}; write over='tensor' or over='model'."
        raise RuleError(msg)
    return tensor_size if over == "tensor" else model_size


def _range(over: str, axis: Axis, block: Any = 0) -> str:
    """What a reduction ranges over, as text."""
    if axis is None:
        return over
    if block != 0:
        msg = f"A sum over axes is in float64 and not in blocks; leave out block={block!r}."
        raise RuleError(msg)
    if over != "tensor":
        msg = f"A reduction over axes is one over each tensor; leave out over={over!r}."
        raise RuleError(msg)
    return f"axes {' '.join(map(str, _axes(axis)))}"


def _axes(axis: Any) -> tuple[int, ...]:
    """The axes as a tuple; RuleError if they are none."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    whole = builtins.all(isinstance(a, int) and not isinstance(a, bool) for a in axes)
    if not axes or not whole or len(set(axes)) < len(axes):
        msg = f"axis={axis!r} is no axis; write a number as in NumPy, or a tuple of different ones."
        raise RuleError(msg)
    return tuple(sorted(axes))


def _axes_size(axis: Any) -> sympy.Expr:
    return sympy.Mul(*(AxisSize(number) for number in _axes(axis)))


def _listed(axes: tuple[int, ...]) -> str:
    return str(axes[0]) if len(axes) == 1 else str(axes)
