"""Sums, means, norms and maxima: over a tensor, over the model, or over axes."""

from typing import Any, ClassVar, Literal

import sympy
from sympy.core.symbol import Str
from sympy.printing.precedence import PRECEDENCE

from learnerdsl.errors import RuleError
from learnerdsl.expr.functions import expression, sqrt, where
from learnerdsl.expr.symbols import (
    GradientSymbol,
    ParameterSymbol,
    StateSymbol,
    model_size,
    tensor_size,
)


class Reduction(sympy.Expr):
    """A value reduced over all elements of a tensor or of the model.

    `sympy.diff` with respect to an element symbol gives the derivative with respect to that
    element's own contribution, as in the gradient of a loss with a norm in it.
    """

    is_commutative = True
    is_real = True
    operation: ClassVar[Literal["sum", "max"]]
    symbol_latex = ""

    def __new__(cls, argument: Any, over: Any = "tensor", block: Any = 0) -> "Reduction":
        """Build the node; `over` is "tensor" or "model", `block` that of `sum`."""
        over = str(over)
        if over not in ("tensor", "model"):
            msg = f"A reduction cannot range over {over!r}; write over='tensor' or over='model'."
            raise RuleError(msg)
        if not isinstance(block, (int, sympy.Integer)) or block < 0:
            msg = f"A sum takes its elements in blocks of a whole number, got block={block!r}."
            raise RuleError(msg)
        return sympy.Expr.__new__(cls, expression(argument), Str(over), sympy.Integer(block))

    @property
    def argument(self) -> sympy.Expr:
        """The expression of one element."""
        return self.args[0]  # type: ignore[return-value]

    @property
    def over(self) -> str:
        """What it ranges over: "tensor" or "model"."""
        return str(self.args[1])

    @property
    def block(self) -> int:
        """Elements of a block of a sum in the parameter's dtype; 0 for a sum in float64."""
        return int(self.args[2])  # type: ignore[arg-type]

    def _latex(self, printer: Any) -> str:
        body = printer.parenthesize(self.argument, PRECEDENCE["Mul"])
        return rf"{self.symbol_latex}_{{\mathrm{{{self.over}}}}} {body}"

    def _sympystr(self, printer: Any) -> str:
        return f"{self.operation}({printer.doprint(self.argument)}, over={self.over!r})"


class SumOver(Reduction):
    """The sum over all elements; 0 over none."""

    operation = "sum"
    symbol_latex = r"\sum"

    def _eval_is_nonnegative(self) -> bool | None:
        return self.argument.is_nonnegative

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        return sympy.diff(self.argument, symbol)


class MaxOver(Reduction):
    """The largest element, NaN if there is one; -infinity over none."""

    operation = "max"
    symbol_latex = r"\max"

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        attained = sympy.Eq(self.argument, self)
        return where(attained, sympy.diff(self.argument, symbol), 0)


def sum(x: Any, over: str = "tensor", block: int = 0) -> sympy.Expr:
    """The sum of `x` over all elements of each tensor, or of the model; 0 over none.

    Args:
        x: an expression.
        over: "tensor" or "model".
        block: 0 adds in float64, in the order that is fastest. A number adds in the parameter's
            dtype and in memory order, so many elements at a time and these sums to the total (the
            elements left over at the end one by one). That is slower and less exact: it is there
            to reproduce the rounding of another library, for tensors of up to one chunk.
    """
    return SumOver(x, over, block)


def mean(x: Any, over: str = "tensor", block: int = 0) -> sympy.Expr:
    """The mean of `x` over all elements of each tensor, or of the model; NaN over none.

    See `sum` for the arguments.
    """
    return SumOver(x, over, block) / (tensor_size if over == "tensor" else model_size)


def norm(x: Any, over: str = "tensor") -> sympy.Expr:
    """The Euclidean norm of `x` over all elements of each tensor, or of the model."""
    return sqrt(SumOver(expression(x) ** 2, over))


def max(x: Any, over: str = "tensor") -> sympy.Expr:
    """The largest `x` among all elements of each tensor, or of the model; NaN if there is one."""
    return MaxOver(x, over)


def size(x: Any, over: str = "tensor") -> sympy.Expr:
    """Number of elements of the tensor that `x`, a parameter or state, is of; or of the model."""
    if not isinstance(x, (ParameterSymbol, GradientSymbol, StateSymbol)):
        msg = f"size({x}) is not defined; write the size of the parameter, the gradient or a state."
        raise RuleError(msg)
    if over not in ("tensor", "model"):
        msg = f"A size cannot range over {over!r}; write over='tensor' or over='model'."
        raise RuleError(msg)
    return tensor_size if over == "tensor" else model_size
