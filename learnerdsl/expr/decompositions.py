"""Functions of matrices that factorize one: eigenvalues, bases, inverses, systems of equations.

None raises an exception in the middle of an update. Where there is no result, all entries of that
matrix of a stack are NaN: where an entry is not finite, or the matrix singular.
"""

import operator
from typing import Any

import sympy
from sympy.core.symbol import Str
from sympy.printing.pretty.stringpict import prettyForm

from learnerdsl.errors import RuleError
from learnerdsl.expr.functions import expression
from learnerdsl.expr.matrices import MatrixFunction, MatrixReduction, Misfit
from learnerdsl.expr.sides import Sides
from learnerdsl.expr.textual import called


class InverseRoot(MatrixFunction):
    """A negative fractional power of a symmetric matrix, from its eigenvalues."""

    name = "inverse_root"
    text = r"{0}^{{-1/{1}}}"


class Eigenvectors(MatrixFunction):
    """The orthonormal eigenvectors of a symmetric matrix, largest eigenvalue first."""

    name = "eigenvectors"
    text = r"\mathrm{{eigenvectors}}\,{0}"


class Eigenvalues(MatrixFunction):
    """The eigenvalues of a symmetric matrix as a column, the largest first."""

    name = "eigenvalues"
    text = r"\mathrm{{eigenvalues}}\,{0}"

    def sides(self, *own: Sides) -> Sides:
        """Return the sides of a column."""
        return Sides((super().sides(*own)[0], 1))


class Orthonormal(MatrixFunction):
    """An orthonormal basis of the columns: Q of the QR decomposition."""

    name = "orthonormal"
    text = r"\mathrm{{qr}}\,{0}"

    def sides(self, *own: Sides) -> Sides:
        """Return the sides of the argument."""
        return own[0]


class Inverse(MatrixFunction):
    """The inverse of a square matrix."""

    name = "inverse"
    text = r"{0}^{{-1}}"


class Cholesky(MatrixFunction):
    """The lower triangular factor of a symmetric, positive definite matrix."""

    name = "cholesky"
    text = r"\mathrm{{cholesky}}\,{0}"


class Solve(MatrixFunction):
    """The solution X of the equations A X = B."""

    name = "solve"
    text = r"{0}^{{-1}} \, {1}"

    def is_bare(self, argument: Any) -> bool:
        """Return whether an argument needs no brackets: B as in a product, A if it is a symbol."""
        is_b = argument is self.args[1] and isinstance(argument, MatrixFunction)
        return is_b or super().is_bare(argument)

    @property
    def matrices(self) -> tuple[Any, ...]:
        """A and B."""
        return self.args[:2]

    def sides(self, *own: Sides) -> Sides:
        """Return the sides of B."""
        rows, _ = super().sides(own[0])
        if own[1][0] != rows:
            first, second = (f"{a} by {b}" for a, b in own)
            msg = f"solves equations of {first} for {second} in {self}; transpose the second."
            raise Misfit(msg)
        return own[1]


class SolveTriangular(Solve):
    """The solution X of the equations A X = B of a triangular matrix A."""

    name = "solve_triangular"

    def __new__(cls, a: Any, b: Any, triangle: Any) -> "SolveTriangular":
        """Build the node; `triangle` is "lower" or "upper"."""
        return sympy.Expr.__new__(cls, expression(a), expression(b), Str(str(triangle)))

    @property
    def is_lower(self) -> bool:
        """Whether A is lower triangular."""
        return str(self.args[2]) == "lower"

    @property
    def literals(self) -> tuple[str, ...]:
        """Whether A is lower triangular."""
        return (repr(self.is_lower),)

    def _sympystr(self, printer: Any) -> str:
        a, b = (printer.doprint(own) for own in self.matrices)
        return f"solve_triangular({a}, {b}, lower={self.is_lower})"

    def _pretty(self, printer: Any) -> Any:
        return Solve(*self.matrices)._pretty(printer)


class Diagonal(MatrixFunction):
    """The diagonal of a square matrix as a column."""

    name = "diagonal"
    text = r"\mathrm{{diag}}\,{0}"
    is_decomposition = False

    def sides(self, *own: Sides) -> Sides:
        """Return the sides of a column."""
        return Sides((super().sides(*own)[0], 1))


class DiagonalMatrix(MatrixFunction):
    """A diagonal matrix with the entries of a column."""

    name = "diagonal_matrix"
    text = r"\mathrm{{diag}}\,{0}"
    is_decomposition = False

    def sides(self, *own: Sides) -> Sides:
        """Return the sides of a square matrix."""
        if own[0][1] != 1:
            msg = f"takes {self} of {own[0][0]} by {own[0][1]}; it must be a column, (n, 1)."
            raise Misfit(msg)
        return Sides((own[0][0], own[0][0]))


class Tril(MatrixFunction):
    """The lower triangle of a matrix, with its diagonal."""

    name = "tril"
    text = r"\mathrm{{tril}}\,{0}"
    is_decomposition = False

    def sides(self, *own: Sides) -> Sides:
        """Return the sides of the matrix."""
        return own[0]


class Triu(Tril):
    """The upper triangle of a matrix, with its diagonal."""

    name = "triu"
    text = r"\mathrm{{triu}}\,{0}"


class Counted(MatrixFunction):
    """A function of a matrix and of how many rows or columns the result has."""

    is_decomposition = False

    def __new__(cls, a: Any, number: Any) -> Any:
        """Build the node; `number` is a whole number above 0."""
        return sympy.Expr.__new__(cls, expression(a), Str(str(number)))

    @property
    def number(self) -> int:
        """How many rows or columns the result has."""
        return int(str(self.args[1]))

    @property
    def literals(self) -> tuple[str, ...]:
        """The number."""
        return (str(self.number),)

    def _pretty(self, printer: Any) -> Any:
        return called(printer, self.name, (self.args[0], prettyForm(str(self.number))))


class FirstColumns(Counted):
    """The first columns of a matrix."""

    name = "first_columns"
    text = r"{{{0}}}_{{:,\,1{{:}}{1}}}"

    def sides(self, *own: Sides) -> Sides:
        """Return the rows of the argument, and the number of columns."""
        rows, cols = own[0]
        if isinstance(cols, int) and cols < self.number:
            msg = f"takes {self}, which has {cols} columns; write {cols} or less."
            raise Misfit(msg)
        return Sides((rows, self.number))


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


def eigenvalues(a: Any) -> sympy.Expr:
    """Return the eigenvalues of a symmetric matrix as a column (..., n, 1), the largest first.

    Args:
        a: a square matrix (..., n, n); one that is not finite gives NaN.
    """
    return Eigenvalues(a)


def orthonormal(a: Any) -> sympy.Expr:
    """Return Q of the reduced QR decomposition, an orthonormal basis of the columns of a matrix.

    Args:
        a: a matrix (..., n, k) with k ≤ n; the result has the same shape. If k > n, the columns
            after the first n are 0, as there are no more. The columns of a singular matrix are
            completed to a basis; a matrix that is not finite gives NaN.
    """
    return Orthonormal(a)


def inverse(a: Any) -> sympy.Expr:
    """Return the inverse of a square matrix (..., n, n).

    Args:
        a: the matrix; one that is singular or not finite gives NaN.
    """
    return Inverse(a)


def cholesky(a: Any) -> sympy.Expr:
    """Return the lower triangular L with L L^T = A, of a symmetric, positive definite matrix.

    Args:
        a: a square matrix (..., n, n), of which only the lower triangle is read. One that is not
            positive definite or not finite gives NaN.
    """
    return Cholesky(a)


def solve(a: Any, b: Any) -> sympy.Expr:
    """Return the solution X of A X = B, which is more exact than a product with the inverse.

    Args:
        a: a square matrix (..., n, n); one that is singular or not finite gives NaN.
        b: a matrix (..., n, m).
    """
    return Solve(a, b)


def solve_triangular(a: Any, b: Any, lower: bool = True) -> sympy.Expr:
    """Return the solution X of A X = B of a triangular matrix A.

    Args:
        a: a square matrix (..., n, n), of which only one triangle is read. One that has a 0 on the
            diagonal or is not finite gives NaN.
        b: a matrix (..., n, m).
        lower: whether A is lower triangular; else it is upper triangular.

    Raises:
        RuleError: `lower` is neither True nor False.
    """
    if not isinstance(lower, bool):
        msg = f"solve_triangular(..., lower={lower!r}) is not defined; write True or False."
        raise RuleError(msg)
    return SolveTriangular(a, b, "lower" if lower else "upper")


def diagonal(a: Any) -> sympy.Expr:
    """Return the diagonal of a square matrix (..., n, n) as a column (..., n, 1)."""
    return Diagonal(a)


def diagonal_matrix(v: Any) -> sympy.Expr:
    """Return the diagonal matrix (..., n, n) with the entries of a column (..., n, 1)."""
    return DiagonalMatrix(v)


def tril(a: Any) -> sympy.Expr:
    """Return a matrix with zeros above its diagonal, as `numpy.tril`.

    Args:
        a: a matrix (..., n, m). The result has the same shape and dtype.
    """
    return Tril(a)


def triu(a: Any) -> sympy.Expr:
    """Return a matrix with zeros below its diagonal, as `numpy.triu`.

    Args:
        a: a matrix (..., n, m). The result has the same shape and dtype.
    """
    return Triu(a)


def first_columns(a: Any, count: int) -> sympy.Expr:
    """Return the first columns of a matrix, such as eigenvectors of the largest eigenvalues.

    Args:
        a: a matrix (..., n, m).
        count: how many columns, a whole number above 0 that is known when the rule is traced, such
            as an option. The result is (..., n, count); if there are fewer columns, the others are
            0.

    Raises:
        RuleError: `count` is something else.
    """
    return FirstColumns(a, checked_count("first_columns", count, "an option"))


def checked_count(function: str, count: Any, example: str) -> int:
    """Return how many rows or columns a function is asked for; raise unless it is above 0."""
    try:
        number = 0 if isinstance(count, bool) else operator.index(count)
    except TypeError:
        number = 0
    if number < 1:
        msg = (
            f"{function}(..., {count!r}) is not defined; write a whole number above 0 that is "
            f"known when the rule is traced, such as {example}."
        )
        raise RuleError(msg)
    return number


def trace(a: Any) -> sympy.Expr:
    """Return the sum of the diagonal of each square matrix (..., n, n), (..., 1, 1)."""
    return MatrixReduction(Diagonal(a), "sum", "axes -2")
