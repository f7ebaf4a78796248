"""Products and functions of matrices, over the last two axes; they broadcast over the others.

The parameter, and every value with its shape, is a matrix (..., rows, cols). Its product with its
transpose is (..., rows, rows). Such square matrices may be states. Elementwise operations combine
them only with numbers and with matrices of the same shape.
"""

import math
from typing import Any, ClassVar

import sympy
from sympy.core.symbol import Str
from sympy.printing.pretty.stringpict import prettyForm

from learnerdsl.errors import RuleError
from learnerdsl.expr.functions import expression
from learnerdsl.expr.textual import called

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
        """Return the LaTeX text of an argument, in parentheses if it needs them."""
        text = printer.doprint(argument)
        is_bare = argument.is_Atom or isinstance(argument, self.needs_no_brackets)
        return text if is_bare else rf"\left({text}\right)"

    def _pretty(self, printer: Any) -> Any:
        return called(printer, self.name, self.args)

    def _sympystr(self, printer: Any) -> str:
        return f"{self.name}({', '.join(printer.doprint(a) for a in self.args)})"


class MatMul(MatrixFunction):
    """A matrix product."""

    name = "matmul"
    text = r"{0} \, {1}"
    needs_no_brackets = (MatrixFunction,)


class Transpose(MatrixFunction):
    """A matrix with rows and columns swapped."""

    name = "transpose"
    text = r"{0}^\top"


class InverseRoot(MatrixFunction):
    """A negative fractional power of a symmetric matrix, from its eigenvalues."""

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
    """The identity matrix, (rows, rows) or (cols, cols)."""

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
        """The axis that gives its size: "rows" or "cols"."""
        return str(self.args[0])

    def _latex(self, printer: Any) -> str:
        del printer
        return rf"I_{{\mathrm{{{self.side}}}}}"

    def _pretty(self, printer: Any) -> Any:
        return called(printer, "identity", (prettyForm(self.side),))

    def _sympystr(self, printer: Any) -> str:
        del printer
        return f"identity({self.side!r})"


def scaled_product(expr: Any) -> tuple[float, MatMul, float, Any] | None:
    """Return (alpha, AB, beta, C) of a sum alpha*A*B + beta*C with numbers alpha and beta.

    C is A or B. Of anything else, return None. With `products="bfloat16"` such a sum is rounded
    once, as C is an operand, which has been rounded already.
    """
    if not isinstance(expr, sympy.Add) or len(expr.args) != 2:
        return None
    terms = [_scaled(term) for term in expr.args]
    for (alpha, product), (beta, own) in (terms, terms[::-1]):
        if isinstance(product, MatMul) and own in product.args:
            return alpha, product, beta, own
    return None


def _scaled(term: Any) -> tuple[float, Any]:
    """Return a term as a number times the rest, which is None if it has several factors."""
    factors = sympy.Mul.make_args(term)
    others = [factor for factor in factors if not factor.is_number]
    number = math.prod(float(factor) for factor in factors if factor.is_number)
    return number, others[0] if len(others) == 1 else None


def matmul(a: Any, b: Any) -> sympy.Expr:
    """Return the matrix product of `a` (..., n, k) and `b` (..., k, m), in the parameter's dtype.

    Operands are written to memory and multiplied by BLAS, so a product separates sweeps over
    memory. NaN spreads as in numpy.matmul.

    Raises:
        RuleError: when the rule is traced for a tensor, if an operand is not a matrix or the
            shapes do not match.

    >>> from learnerdsl.expr import matmul, transpose
    >>> import sympy
    >>> x = sympy.Symbol("x")
    >>> matmul(x, transpose(x))
    matmul(x, transpose(x))
    """
    return MatMul(a, b)


def transpose(a: Any) -> sympy.Expr:
    """Return the matrix `a` (..., n, m) with rows and columns swapped: (..., m, n)."""
    value = expression(a)
    return value.args[0] if isinstance(value, Transpose) else Transpose(value)  # type: ignore[return-value]


def identity(kind: str) -> sympy.Expr:
    """Return the identity matrix, in the parameter's dtype.

    Args:
        kind: "rows" for (rows, rows), "cols" for (cols, cols), where rows and cols are the lengths
            of the parameter's last two axes.

    Raises:
        RuleError: `kind` is something else.
    """
    return Identity(kind)


def inverse_root(a: Any, order: Any) -> sympy.Expr:
    r"""Return $A^{-1/k}$ of a symmetric, positive semidefinite matrix, from its eigenvalues.

    Args:
        a: a square matrix (..., n, n). Eigenvalues smaller than the machine epsilon times the
            largest one are raised to that value. A matrix that is not finite gives NaN.
        order: $k$, a number.
    """
    return InverseRoot(a, order)


def eigenvectors(a: Any) -> sympy.Expr:
    """Return the orthonormal eigenvectors of a symmetric matrix, largest eigenvalue first.

    Args:
        a: a square matrix (..., n, n); one that is not finite gives NaN. The result has the same
            shape, with one eigenvector per column.
    """
    return Eigenvectors(a)


def orthonormal(a: Any) -> sympy.Expr:
    """Return Q of the QR decomposition of a square matrix, an orthonormal basis of its columns.

    Args:
        a: a square matrix (..., n, n); the result has the same shape.
    """
    return Orthonormal(a)
