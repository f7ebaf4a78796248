"""Reductions: sums, means, norms, maxima and others over a tensor, over the model, or over axes.

Of matrices that do not have the parameter's shape, they are functions of matrices.
"""

import builtins
import re
from contextvars import ContextVar
from typing import Any, ClassVar

import sympy
from sympy.core.symbol import Str
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pretty.stringpict import prettyForm

from learnerdsl.errors import RuleError
from learnerdsl.expr.functions import expression, sqrt
from learnerdsl.expr.functions import where as choose
from learnerdsl.expr.graph import brief
from learnerdsl.expr.matrices import MatrixReduction, sides_of_own
from learnerdsl.expr.nodes import Equal, Greater, Where
from learnerdsl.expr.sides import NoMatrix, Side
from learnerdsl.expr.symbols import (
    AxisSize,
    GradientSymbol,
    ParameterSymbol,
    StateSymbol,
    model_size,
    tensor_size,
)
from learnerdsl.expr.textual import called
from learnerdsl.monoids import MAX, MIN, PROD, SUM, Monoid

Axis = int | tuple[int, ...] | None
_AXES = re.compile(r"axes( -?\d+)+")

written: ContextVar[list["Reduction"] | None] = ContextVar("learnerdsl_written", default=None)
"""Collects the model-wide reductions in the order in which the traced rule writes them.

The functions `sum`, `mean` and so on add to it; building a node does not.
"""


class Reduction(NoMatrix, sympy.Expr):
    """A reduction over all elements of a tensor or of the model, or over axes of a tensor.

    `sympy.diff` with respect to the symbol of an element gives the partial derivative with respect
    to that one element. So the gradient of a loss that contains a norm comes out right.
    """

    is_commutative = True
    is_real = True
    monoid: ClassVar[Monoid]

    def __new__(
        cls, argument: Any, over: Any = "tensor", block: Any = 0, of: Any = "elements"
    ) -> "Reduction":
        """Build the node; `over` is "tensor", "model" or "axes 0 1", the others are as in `sum`."""
        over, of = str(over), str(of)
        if over not in ("tensor", "model") and not _AXES.fullmatch(over):
            msg = (
                f"A reduction cannot range over {over!r}; write over='tensor' or over='model', "
                f"axis=0 for an axis, or {cls.monoid.instead}."
            )
            raise RuleError(msg)
        if not isinstance(block, (int, sympy.Integer)) or block < 0:
            msg = f"Expected blocks of a whole number of elements, got block={block!r}."
            raise RuleError(msg)
        if of != "elements" and (of != "tensors" or over != "model" or block):
            msg = (
                f"A reduction over={over!r}{f' in blocks of {block}' if block else ''} cannot be "
                f"of={of!r}; write over='model', of='tensors' to count tensors, or leave out of."
            )
            raise RuleError(msg)
        parts = expression(argument), Str(over), sympy.Integer(block), Str(of)
        return sympy.Expr.__new__(cls, *parts)

    @property
    def argument(self) -> sympy.Expr:
        """The expression that is reduced, for one element."""
        return self.args[0]  # type: ignore[return-value]

    @property
    def over(self) -> str:
        """The range: "tensor", "model", or axes as "axes 0 1"."""
        return str(self.args[1])

    @property
    def axes(self) -> tuple[int, ...]:
        """The reduced axes; empty if the range is the tensor or the model."""
        return tuple(int(number) for number in self.over.split()[1:])

    @property
    def block(self) -> int:
        """Block length of a sum in the parameter's dtype; 0 for a sum in float64."""
        return int(self.args[2])  # type: ignore[arg-type]

    @property
    def of(self) -> str:
        """What is counted: "elements" or, over the model, "tensors"."""
        return str(self.args[3])

    @property
    def range(self) -> str:
        """What is reduced over, in a word: "tensor", "model" or "tensors"; or the axes."""
        return self.over if self.of == "elements" else self.of

    def _latex(self, printer: Any) -> str:
        body = printer.parenthesize(self.argument, PRECEDENCE["Mul"])
        if self.axes:
            return rf"{self.monoid.latex}_{{\mathrm{{axis}}\,{_listed(self.axes)}}} {body}"
        return rf"{self.monoid.latex}_{{\mathrm{{{self.range}}}}} {body}"

    def _pretty(self, printer: Any) -> Any:
        range_ = f"axis {_listed(self.axes)}" if self.axes else f"over {self.range}"
        return called(printer, self.monoid.name, (self.argument, prettyForm(range_)))

    def _sympystr(self, printer: Any) -> str:
        range_ = f"axis={_listed(self.axes)}" if self.axes else f"over={self.over!r}"
        range_ += f", of={self.of!r}" if self.of == "tensors" else ""
        return f"{self.monoid.name}({printer.doprint(self.argument)}, {range_})"


class SumOver(Reduction):
    """The sum; 0 over no element."""

    monoid = SUM

    def _eval_is_nonnegative(self) -> bool | None:
        return self.argument.is_nonnegative

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        return sympy.diff(self.argument, symbol)


class _ExtremeOver(Reduction):
    """A maximum or minimum."""

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        attained = Equal(self.argument, self)
        return Where(attained, sympy.diff(self.argument, symbol), sympy.S.Zero)


class MaxOver(_ExtremeOver):
    """The maximum; NaN if an element is NaN, -infinity over no element."""

    monoid = MAX


class MinOver(_ExtremeOver):
    """The minimum; NaN if an element is NaN, infinity over no element."""

    monoid = MIN


class ProdOver(Reduction):
    """The product; 1 over no element."""

    monoid = PROD

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        return self / self.argument * sympy.diff(self.argument, symbol)


REDUCTIONS: dict[str, type[Reduction]] = {
    node.monoid.name: node for node in (SumOver, MaxOver, MinOver, ProdOver)
}
"""Name of a reduction -> its node."""


def _written(
    kind: type[Reduction],
    x: Any,
    over: str,
    axis: Axis,
    block: int = 0,
    of: str = "elements",
    where: Any = None,
) -> Any:
    """Return the reduction that a function of the language writes, and record it if model-wide."""
    if sides_of_own(x) is not None:
        return _of_matrix(x, kind.monoid.name, over, axis, block, of, where)
    if where is not None:
        x = _within(expression(x), where, kind.monoid)
    node = kind(x, _range(over, axis, block), block, of)
    record = written.get()
    if record is not None and node.over == "model":
        record.append(node)
    return node


def _within(x: Any, condition: Any, monoid: Monoid) -> sympy.Expr:
    """Return `x` where a condition holds, and the identity of an operation elsewhere.

    Sums compute squares and products in float64. So these stay what they are, of factors that are 0
    elsewhere.
    """
    if monoid is SUM and x.is_Pow and x.exp == 2:
        return _within(x.base, condition, monoid) ** 2
    if monoid is SUM and x.is_Mul:
        return sympy.Mul(*(a if a.is_number else _within(a, condition, SUM) for a in x.args))
    return choose(condition, x, monoid.neutral)


def _of_matrix(x: Any, kind: str, over: str, axis: Axis, *others: Any) -> MatrixReduction:
    """Return the reduction of a matrix that does not have the parameter's shape.

    Its `block`, `of` and `where`, the `others`, have to be those that do nothing.
    """
    range_ = _range(over, axis)
    is_plain = over != "model" and others == (0, "elements", None)
    if not is_plain or not set(_axes(-1 if axis is None else axis)) <= {-2, -1}:
        msg = (
            f"The {kind} of {brief(expression(x))}, a matrix that does not have the parameter's "
            "shape, is over axis=-1, axis=-2, both of them, or the tensor; leave out what else is "
            "written."
        )
        raise RuleError(msg)
    return MatrixReduction(x, kind, range_)


def sum(
    x: Any,
    over: str = "tensor",
    block: int = 0,
    axis: Axis = None,
    *,
    of: str = "elements",
    where: Any = None,
) -> sympy.Expr:
    """Return the sum of `x` over each tensor, over the model, or over axes of each tensor.

    The result is in float64. It is 0 over no element, and NaN if an element is NaN.

    Args:
        x: an expression. A value with fewer axes than the parameter counts once for each element.
            Of a matrix that does not have the parameter's shape, its own entries are added, in
            float64; the result is a matrix again, with sides of length 1 and in the parameter's
            dtype.
        over: "tensor" or "model".
        block: 0 adds in float64, in the order that is fastest. A positive number n adds in the
            parameter's dtype and in memory order: each run of n elements is summed, and its sum is
            added to the total; elements after the last whole run are added one by one. That is
            slower and less exact. Use it to reproduce the rounding of another library, for tensors
            of up to one chunk.
        axis: an axis or a tuple of axes, as in NumPy. The result has one value for each index of
            the other axes. It broadcasts as with numpy's `keepdims=True`.
        of: "elements", or "tensors" with over="model": the `x` of each tensor, one number, counts
            once. Not counted are tensors without elements and those that an update leaves out.
        where: the condition under which an element counts, as in NumPy, or a tensor with
            of="tensors". What does not count may be NaN. A hyperparameter that is 1 in one group of
            parameters and 0 in the others chooses that group: where=head > 0.

    Raises:
        RuleError: `over`, `block`, `axis`, `of` or `where` is not one of these, or two of them do
            not go together; or `x` has several values in a tensor with of="tensors".
    """
    return _written(SumOver, x, over, axis, block, of, where)


def mean(
    x: Any,
    over: str = "tensor",
    block: int = 0,
    axis: Axis = None,
    *,
    of: str = "elements",
    where: Any = None,
) -> sympy.Expr:
    """Return the mean of `x` over each tensor, over the model, or over axes of each tensor.

    The result is in float64, and NaN over no element. See `sum` for arguments and errors.
    """
    if sides_of_own(x) is not None:
        return _of_matrix(x, "mean", over, axis, block, of, where)
    total = _written(SumOver, x, over, axis, block, of, where)
    if where is not None or of != "elements":
        return total / _written(SumOver, sympy.S.One, over, axis, 0, of, where)
    if axis is not None:
        return total / _axes_size(axis)
    return total / (tensor_size if over == "tensor" else model_size)


def norm(
    x: Any, over: str = "tensor", axis: Axis = None, *, of: str = "elements", where: Any = None
) -> sympy.Expr:
    """Return the Euclidean norm of `x` over each tensor, over the model, or over axes.

    The squares are added in float64, so those of float32 do not overflow. The norm is 0 over no
    element. See `sum` for arguments and errors.
    """
    if sides_of_own(x) is not None:
        return _of_matrix(x, "norm", over, axis, 0, of, where)
    return sqrt(_written(SumOver, expression(x) ** 2, over, axis, 0, of, where))


def max(
    x: Any, over: str = "tensor", axis: Axis = None, *, of: str = "elements", where: Any = None
) -> sympy.Expr:
    """Return the largest `x` of each tensor, of the model, or along axes.

    The result is NaN if an element is NaN, and -infinity over no element. See `sum` for arguments
    and errors.
    """
    return _written(MaxOver, x, over, axis, 0, of, where)


def min(
    x: Any, over: str = "tensor", axis: Axis = None, *, of: str = "elements", where: Any = None
) -> sympy.Expr:
    """Return the smallest `x` of each tensor, of the model, or along axes.

    The result is NaN if an element is NaN, and infinity over no element. See `sum` for arguments
    and errors.
    """
    return _written(MinOver, x, over, axis, 0, of, where)


def prod(
    x: Any, over: str = "tensor", axis: Axis = None, *, of: str = "elements", where: Any = None
) -> sympy.Expr:
    """Return the product of `x` over each tensor, over the model, or over axes of each tensor.

    The result is in float64, and 1 over no element. Its derivative divides by `x`, so it is NaN
    where an element is 0. See `sum` for arguments and errors.
    """
    return _written(ProdOver, x, over, axis, 0, of, where)


def count(
    condition: Any,
    over: str = "tensor",
    axis: Axis = None,
    *,
    of: str = "elements",
    where: Any = None,
) -> sympy.Expr:
    """Return the number of elements for which a condition holds; 0 over no element.

    See `where` for conditions, and `sum` for the other arguments and errors.
    """
    return _written(SumOver, choose(condition, 1, 0), over, axis, 0, of, where)


def any(
    condition: Any,
    over: str = "tensor",
    axis: Axis = None,
    *,
    of: str = "elements",
    where: Any = None,
) -> Any:
    """Return the condition that `condition` holds for some element; false over no element.

    See `where` for conditions, and `sum` for the other arguments and errors.
    """
    return Greater(count(condition, over, axis, of=of, where=where), 0)


def all(
    condition: Any,
    over: str = "tensor",
    axis: Axis = None,
    *,
    of: str = "elements",
    where: Any = None,
) -> Any:
    """Return the condition that `condition` holds for every element; true over no element.

    See `where` for conditions, and `sum` for the other arguments and errors.
    """
    failing = choose(condition, 0, 1)
    return Equal(_written(SumOver, failing, over, axis, 0, of, where), 0)


def size(x: Any, over: str = "tensor", axis: Axis = None) -> sympy.Expr:
    """Return the number of elements of each tensor, or of the model, or the length of axes.

    Args:
        x: the parameter, the gradient or a state; the number is always that of the parameter. Or a
            matrix that does not have the parameter's shape, whose own lengths count.
        over: "tensor" or "model".
        axis: an axis or a tuple of axes, as in NumPy; the result is the product of their lengths.
            Of a matrix of other sides it is -1, -2 or both.

    Raises:
        RuleError: `x` is another expression, or `over` or `axis` is not one of these.
    """
    own = sides_of_own(x)
    if own is not None:
        if axis is None or not set(_axes(axis)) <= {-2, -1}:
            msg = (
                f"The size of {brief(expression(x))}, a matrix that does not have the parameter's "
                "shape, is that of axis=-1, axis=-2 or (-2, -1)."
            )
            raise RuleError(msg)
        return sympy.Mul(*(_length(own[number]) for number in _axes(axis)))
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
    """Return the range of a reduction as text; raise RuleError if the arguments conflict."""
    if axis is None:
        return over
    if block != 0:
        msg = f"A sum over axes cannot be in blocks; leave out block={block!r}."
        raise RuleError(msg)
    if over != "tensor":
        msg = f"A reduction over axes is always within each tensor; leave out over={over!r}."
        raise RuleError(msg)
    return f"axes {' '.join(map(str, _axes(axis)))}"


def _axes(axis: Any) -> tuple[int, ...]:
    """Return the axes as a sorted tuple; raise RuleError if `axis` does not name axes."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    whole = builtins.all(isinstance(a, int) and not isinstance(a, bool) for a in axes)
    if not axes or not whole or len(set(axes)) < len(axes):
        msg = (
            f"Expected a whole number or a tuple of different ones as axis, got axis={axis!r}; "
            "write axes as in NumPy."
        )
        raise RuleError(msg)
    return tuple(sorted(axes))


def _axes_size(axis: Any) -> sympy.Expr:
    """Return the product of the lengths of axes."""
    return sympy.Mul(*(AxisSize(number) for number in _axes(axis)))


def _length(side: Side) -> Any:
    """Return the length of a side of a matrix."""
    named = isinstance(side, str)
    return AxisSize({"rows": -2, "cols": -1}[side]) if named else sympy.Integer(side)


def _listed(axes: tuple[int, ...]) -> str:
    """Return axes as text: "0" for one, "(0, 1)" for several."""
    return str(axes[0]) if len(axes) == 1 else str(axes)
