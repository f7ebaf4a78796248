"""Random numbers that name their seed, step and tensor, and how elements compute them instead."""

from typing import Any

import sympy
from sympy.core.symbol import Str

from learnerdsl.expr.functions import Draw, expression
from learnerdsl.expr.symbols import AxisSize, position

NUMBER_OF_MODEL = 2**32 - 1
"""What stands for the number of the tensor in a random number of the model; no tensor has it."""


class PlacedDraw(sympy.Expr):
    """What random numbers that name their seed, step and tensor have in common.

    The arguments of the node begin with the distribution, the number of the draw, and these three.
    """

    @property
    def distribution(self) -> str:
        """What it is drawn from, "normal" or "uniform"."""
        return str(self.args[0])

    @property
    def stream(self) -> int:
        """Number of the draw within its rule; those of the model are counted by themselves."""
        return int(self.args[1])  # type: ignore[arg-type]

    @property
    def places(self) -> tuple[Any, ...]:
        """Seed, step and tensor number."""
        return self.args[2:5]


class NarrowDraw(PlacedDraw):
    """A random number for the model, for a tensor, or for each index of some axes, in float64."""

    is_commutative = True
    is_real = True

    def __new__(cls, *arguments: Any) -> "NarrowDraw":
        """Build the node.

        Args:
            arguments: "normal" or "uniform", the number of the draw in its rule, the symbols of
                seed, step and tensor number (`NUMBER_OF_MODEL` for the model), and the axes,
                counted from 0.
        """
        kind, *others = arguments
        return sympy.Expr.__new__(cls, Str(str(kind)), *map(expression, others))

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that it has a number for each index of; none for a scalar."""
        return tuple(int(axis) for axis in self.args[5:])  # type: ignore[arg-type]

    @property
    def shape(self) -> Any:
        """What there is one number for: "model", "tensor", or each index of the axes."""
        of_model = self.places[2] == NUMBER_OF_MODEL
        return self.axes or ("model" if of_model else "tensor")

    def shape_in(self, parameter: tuple[int, ...]) -> tuple[int, ...]:
        """Return the lengths of the axes and 1 for the others, for a parameter; () for a scalar."""
        sizes = enumerate(parameter)
        return tuple(n if k in self.axes else 1 for k, n in sizes) if self.axes else ()

    @property
    def upper_index(self) -> str:
        """The shape, as an upper index in LaTeX."""
        where = rf"axis}}\,{', '.join(map(str, self.axes))}" if self.axes else f"{self.shape}}}"
        return rf"^{{\mathrm{{{where}}}"

    def _latex(self, printer: Any) -> str:
        del printer
        return rf"\mathrm{{{self.distribution}}}_{{{self.stream}}}{self.upper_index}"

    def _pretty(self, printer: Any) -> Any:
        return printer._print(sympy.Symbol(str(self)))

    def _sympystr(self, printer: Any) -> str:
        del printer
        return f"{self.distribution}_{self.stream}(shape={self.shape!r})"


class IndexDraw(Draw):
    """A random number of each index of some axes, which an element computes by itself, in float64.

    It is the number of a `NarrowDraw`, for loops that keep no values along axes. Each run of axes
    next to each other has one coordinate, and the coordinates together number the index. So axes 0
    and 1 of a tensor of the shape (2, 3, 4) are one run, and element 17 has the coordinate 17 // 4.
    """

    def __new__(cls, where_from: Any, stream: Any, kind: Any, *places: Any) -> Any:
        """Build the node.

        Args:
            where_from: the symbol `position`.
            stream: the number of the draw in its rule.
            kind: "normal" or "uniform".
            places: for each run the number of elements of one step, and the number of coordinates;
                0 for a run that begins with the first axis, where no element leaves the range.
        """
        parts = where_from, sympy.Integer(stream), Str(str(kind)), *map(expression, places)
        return sympy.Expr.__new__(cls, *parts)

    @property
    def distribution(self) -> str:
        """What it is drawn from, "normal" or "uniform"."""
        return str(self.args[2])

    @property
    def runs(self) -> list[tuple[Any, Any]]:
        """The pairs of `places`."""
        return list(zip(self.args[3::2], self.args[4::2], strict=True))


def drawn_by_elements(draw: NarrowDraw, ndim: int) -> IndexDraw:
    """Return the draw over some axes of tensors with `ndim` axes as one that elements compute."""
    places: list[Any] = []
    for axis in draw.axes:
        inner = sympy.Mul(*(AxisSize(other - ndim) for other in range(axis + 1, ndim)))
        if axis - 1 in draw.axes:
            places[-2:] = inner, places[-1] * AxisSize(axis - ndim)
        else:
            places += inner, AxisSize(axis - ndim) if axis else sympy.S.Zero
    return IndexDraw(position, draw.stream, draw.distribution, *places)
