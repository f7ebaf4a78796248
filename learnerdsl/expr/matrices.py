"""Products and functions of matrices: of the last two axes of a tensor, for each of the others.

The parameter and everything that has one value for each of its elements is a matrix of rows by
columns. A product of it with its transpose has rows by rows; such square matrices may be states,
and meet only numbers and matrices of their own shape element by element.
"""

from typing import Any, ClassVar

import sympy
from sympy.core.symbol import Str
from sympy.printing.pretty.stringpict import prettyForm

from learnerdsl.errors import RuleError
from learnerdsl.expr.functions import expression

SQUARE_SHAPES = (("rows", "rows"), ("cols", "cols"))


class MatrixFunction(sympy.Expr):
    """A matrix computed from whole matrices, not element by element."""

    is_commutative = True  # `*` multiplies element by element
    is_real = True
    name: ClassVar[str]
    text: ClassVar[str]
    needs_no_brackets: ClassVar[tuple[type, ...]] = ()

    def __new__(cls, *arguments: Any) -> "MatrixFunction":
        """Build the node from expressions."""
        return sympy.Expr.__new__(cls, *(expression(a) for a in arguments))

    def _latex(self, printer: Any) -> str:
        return self.text.format(*(self._operand(printer, a) for a in self.args))

    def _operand(self, printer: Any, argument: Any) -> str:
        text = printer.doprint(argument)
        is_bare = argument.is_Atom or isinstance(argument, self.needs_no_brackets)
        return text if is_bare else rf"\left({text}\right)"

    def _pretty(self, printer: Any) -> Any:
        arguments = prettyForm(*printer._print_seq(self.args, delimiter=", ").parens())
        return prettyForm(*arguments.left(self.name))

    def _sympystr(self, printer: Any) -> str:
        return f"{self.name}({', '.join(printer.doprint(a) for a in self.args)})"


class MatMul(MatrixFunction):
    """The product of two matrices."""

    name = "matmul"
    text = r"{0} \, {1}"
    needs_no_brackets = (MatrixFunction,)


class Transpose(MatrixFunction):
    """Rows and columns swapped."""

    name = "transpose"
    text = r"{0}^\top"


class InverseRoot(MatrixFunction):
    """A power of a symmetric matrix, by its eigenvalues."""

    name = "inverse_root"
    text = r"{0}^{{-1/{1}}}"


class Eigenvectors(MatrixFunction):
    """The orthonormal eigenvectors of a symmetric matrix, largest eigenvalue first."""

    name = "eigenvectors"
    text = r"\mathrm{{eigenvectors}}\,{0}"


class Orthonormal(MatrixFunction):
    """An orthonormal basis of the columns: Q of the QR decomposition."""

    name = "orthonormal"
    text = r"\mathrm{{qr}}\,{0}"


class Identity(sympy.Expr):
    """The square matrix with ones on its diagonal, of rows or of columns."""

    is_commutative = True
    is_real = True

    def __new__(cls, kind: Any) -> "Identity":
        """Build the node; `kind` is "rows" or "cols"."""
        if str(kind) not in ("rows", "cols"):
            msg = f"identity({kind!r}) is not defined; write identity('rows') or identity('cols')."
            raise RuleError(msg)
        return sympy.Expr.__new__(cls, Str(str(kind)))

    @property
    def side(self) -> str:
        """Of what it is the identity: "rows" or "cols"."""
        return str(self.args[0])

    def _latex(self, printer: Any) -> str:
        del printer
        return rf"I_{{\mathrm{{{self.side}}}}}"

    def _pretty(self, printer: Any) -> Any:
        return prettyForm(self._sympystr(printer))

    def _sympystr(self, printer: Any) -> str:
        del printer
        return f"identity({self.side!r})"


def matmul(a: Any, b: Any) -> sympy.Expr:
    """The matrix product of `a` and `b`, over the last two axes of a tensor.

    Operands are materialised in memory and the product is BLAS, so it separates passes over memory.

    >>> from learnerdsl.expr import matmul, transpose
    >>> import sympy
    >>> x = sympy.Symbol("x")
    >>> matmul(x, transpose(x))
    matmul(x, transpose(x))
    """
    return MatMul(a, b)


def transpose(a: Any) -> sympy.Expr:
    """The matrix `a` with rows and columns swapped."""
    value = expression(a)
    return value.args[0] if isinstance(value, Transpose) else Transpose(value)  # type: ignore[return-value]


def identity(kind: str) -> sympy.Expr:
    """The identity matrix of the rows ("rows") or the columns ("cols") of the parameter."""
    return Identity(kind)


def inverse_root(a: Any, order: Any) -> sympy.Expr:
    r"""$A^{-1/k}$ of a symmetric, positive definite matrix, by its eigenvalues.

    Args:
        a: a square matrix; eigenvalues below the rounding error of the largest count as that.
        order: $k$, a number.
    """
    return InverseRoot(a, order)


def eigenvectors(a: Any) -> sympy.Expr:
    """The orthonormal eigenvectors of a symmetric matrix as columns, largest eigenvalue first."""
    return Eigenvectors(a)


def orthonormal(a: Any) -> sympy.Expr:
    """Q of the QR decomposition of a square matrix: an orthonormal basis of its columns."""
    return Orthonormal(a)
