"""Random numbers that name their seed, step and tensor: all but those of elements."""

from typing import Any

import sympy
from sympy.core.symbol import Str

from learnerdsl.expr.functions import expression

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
