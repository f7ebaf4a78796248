"""Functions of matrices that choose rows, take them, and put others in their place.

Where the others of `decompositions` are made of numbers alone, these go by the order of rows.
"""

from typing import Any

import sympy

from learnerdsl.errors import RuleError
from learnerdsl.expr.decompositions import Counted, checked_count
from learnerdsl.expr.filling import filled
from learnerdsl.expr.matrices import MatrixFunction, Misfit, sides_of
from learnerdsl.expr.sides import Sides, known_shape, length


class TopRows(Counted):
    """The numbers of the rows that have the largest scores, the largest first."""

    name = "top_rows"
    text = r"\mathrm{{top}}_{{{1}}}\,{0}"

    def sides(self, *own: Sides) -> Sides:
        """Return the sides of a column with one number for each chosen row."""
        _check_column(self, "scores", own[0])
        return Sides((self.number, 1))


class AllRows(MatrixFunction):
    """The numbers of all rows, that with the largest score first."""

    name = "top_rows"
    text = r"\mathrm{{order}}\,{0}"
    is_decomposition = False

    def sides(self, *own: Sides) -> Sides:
        """Return the sides of the scores."""
        _check_column(self, "scores", own[0])
        return own[0]


class TakeRows(MatrixFunction):
    """Some rows of a matrix."""

    name = "take_rows"
    text = r"{{{0}}}_{{{1},\,:}}"
    is_decomposition = False

    @property
    def matrices(self) -> tuple[Any, ...]:
        """The matrix and the numbers of rows."""
        return self.args

    def sides(self, *own: Sides) -> Sides:
        """Return as many rows as there are numbers, and the columns of the matrix."""
        _check_column(self, "indices", own[1])
        return Sides((own[1][0], own[0][1]))


class PutRows(MatrixFunction):
    """A matrix with other rows in the place of some."""

    name = "put_rows"
    text = r"{{{0}}}_{{{1},\,:\,\leftarrow\,{2}}}"
    is_decomposition = False

    @property
    def matrices(self) -> tuple[Any, ...]:
        """The matrix, the numbers of rows, and the new rows."""
        return self.args

    def is_bare(self, argument: Any) -> bool:
        """Return whether an argument needs no brackets: the new rows stand alone."""
        return argument is self.args[2] or super().is_bare(argument)

    def sides(self, *own: Sides) -> Sides:
        """Return the sides of the matrix."""
        _check_column(self, "indices", own[1])
        wanted = Sides((own[1][0], own[0][1]))
        if own[2] != wanted:
            msg = (
                f"puts rows of {own[2][0]} by {own[2][1]} in {self}; they must be {wanted[0]} by "
                f"{wanted[1]}, one row for each index."
            )
            raise Misfit(msg)
        return own[0]


def _check_column(function: Any, what: str, own: Sides) -> None:
    """Raise Misfit for what has to be a column."""
    if own[1] != 1:
        msg = f"takes {what} of {own[0]} by {own[1]} in {function}; they must be a column, (n, 1)."
        raise Misfit(msg)


def top_rows(scores: Any, count: int | None = None) -> sympy.Expr:
    r"""Return the numbers of the rows with the largest scores, the largest first.

    Of rows with the same score the upper one comes first. NaN counts as larger than all numbers,
    as in `torch.topk`, so a row that is not a number does not stay unseen.

    Args:
        scores: a column (..., n, 1), such as `ld.sum(ld.abs(x), axis=-1)` of a matrix `x` that does
            not have the parameter's shape.
        count: how many rows, a whole number from 1 to n that is known when the rule is traced, such
            as `max(1, ld.shape(p)[-2] // 4)`; None for all rows, which sorts them. The result is
            (..., count, 1), counted from 0, with the parameter's dtype: float32 has all whole
            numbers up to $2^{24}$.

    Raises:
        RuleError: `count` is something else, or more than there are rows.

    >>> import learnerdsl as ld
    >>> import numpy as np
    >>> @ld.rule
    ... def largest_row(p, g, lr=1.0):
    ...     turned = ld.transpose(g)
    ...     chosen = ld.top_rows(ld.sum(ld.abs(turned), axis=-1), 1)
    ...     kept = ld.put_rows(turned, chosen, 0)
    ...     return ld.assign(p, p - lr * (g - ld.transpose(kept)))
    >>> weights = np.zeros((2, 3))
    >>> largest_row([weights]).update([np.array([[1.0, 5.0, 2.0], [1.0, -5.0, 2.0]])])
    True
    >>> weights + 0.0
    array([[ 0., -5.,  0.],
           [ 0.,  5.,  0.]])
    """
    if count is None:
        return AllRows(scores)
    number = checked_count("top_rows", count, "an option or max(1, shape(p)[-2] // 4)")
    own, shape = sides_of(scores), known_shape.get() or ()
    if own is not None and len(shape) > 1 and length(own[0], shape) < number:
        rows = length(own[0], shape)
        msg = f"top_rows(..., {number}) of {rows} rows is not defined; write {rows} or less."
        raise RuleError(msg)
    return TopRows(scores, number)


def take_rows(a: Any, indices: Any) -> sympy.Expr:
    """Return rows of a matrix, such as those that `top_rows` chooses.

    Args:
        a: a matrix (..., n, m).
        indices: a column (..., k, 1) of whole numbers from 0 to n - 1. The result is (..., k, m); a
            number that no row has gives a row of NaN.

    Raises:
        RuleError: `indices` are no column.
    """
    return TakeRows(a, indices)


def put_rows(a: Any, indices: Any, rows: Any) -> sympy.Expr:
    """Return a matrix in which some rows are replaced.

    Args:
        a: a matrix (..., n, m).
        indices: a column (..., k, 1) of different whole numbers from 0 to n - 1. A row for a number
            that no row of `a` has is left out.
        rows: the new rows (..., k, m), or a number that fills them.

    Raises:
        RuleError: `indices` are no column, or there are not as many new rows as indices.
    """
    own, places = sides_of(a), sides_of(indices)
    wanted = Sides((places[0], own[1])) if own is not None and places is not None else None
    return PutRows(a, indices, filled(rows, wanted))
