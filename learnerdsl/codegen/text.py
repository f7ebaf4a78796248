"""Printing of the parts that all functions of a kernel share: names, reads and statements."""

from collections.abc import Iterable, Set
from typing import Any

import sympy

from learnerdsl.codegen.memory import Memory
from learnerdsl.codegen.naming import Names
from learnerdsl.codegen.operations import is_reciprocal
from learnerdsl.codegen.printer import Printer
from learnerdsl.ir import Compute, Kernel, Rank, Reduce
from learnerdsl.layout import Layout, Vector
from learnerdsl.storage import Precision

INDENT = "    "


LONGEST_COMMENT = 100
"""Maximum number of characters of a comment in generated code."""


def comment(note: str) -> str:
    """Return a note as a comment of one line, which ends in an ellipsis if it is too long."""
    text = "# " + " ".join(note.split())
    return text if len(text) <= LONGEST_COMMENT else text[: LONGEST_COMMENT - 3] + "..."


def indented(lines: Iterable[str]) -> list[str]:
    """Return the lines, one level deeper."""
    return [INDENT + line for line in lines]


class Text:
    """A printer of the parts of a function.

    Args:
        kernel: the kernel to print.
        layout: its tables.
        precision: number types of its arrays.
        narrowing: function that converts a scalar to that dtype; "" for the dtype itself.
        names: the names of its symbols, if they are not those of a kernel for the CPU or CUDA.
    """

    def __init__(
        self,
        kernel: Kernel,
        layout: Layout,
        precision: Precision,
        narrowing: str = "",
        names: Names | None = None,
    ) -> None:
        self.narrowing = narrowing
        self.kernel = kernel
        self.layout = layout
        self.dtype = precision.arithmetic
        self.products = precision.products
        self.names = names or Names(kernel)
        self.memory = Memory(kernel, layout, precision, self.names, narrowing)
        self.notes = {
            c.symbol: c.note for block in kernel.blocks for c in block.computes if c.hoisted
        }
        narrow = [s for s, domain in kernel.domains.items() if domain.rank < Rank.ELEMENT]
        self.scalar_names = frozenset(self.names.values[s] for s in narrow)
        self.vectors: dict[sympy.Basic, Vector] = {v.symbol: v for v in layout.vectors}

    def function(self, kind: str, level: int) -> str:
        """Return the name of a function of a level."""
        return f"{self.kernel.name}_{kind}_{level}"

    def printer(self, dtype: str, start: str = "start") -> Printer:
        """Return a printer of expressions that are computed in `dtype`.

        In them, element `i` of a loop has the number `start + i` in its flattened tensor.
        """
        return Printer(self.names.values, self.scalar_names, dtype, start)

    def read_rows(self, symbols: Set[sympy.Basic], cast: str = "") -> dict[str, str]:
        """Return name -> statement that reads the scalar from its row, in the order of slots."""
        reads: dict[str, str] = {}
        for row_name, row in (("model", self.layout.model), ("tensor", self.layout.tensor)):
            for slot, symbol in enumerate(row):
                if symbol in symbols:
                    value = f"{row_name}[{slot}]"
                    text = f"{cast}({value})" if cast else value
                    name = self.names.values[symbol]
                    reads[name] = f"{name} = {text}{self.note_of(symbol)}"
        return reads

    def note_of(self, symbol: Any) -> str:
        """Return a comment with what a coefficient is; "" for what is none."""
        return f"  {comment(self.notes[symbol])}" if symbol in self.notes else ""

    def read_row(self, value: Any) -> str:
        """Return the text of a number, or of a scalar's place in its row, in float64."""
        if value.is_number:
            return repr(float(value))
        rows = {"model": self.layout.model, "tensor": self.layout.tensor}
        row, slots = next(own for own in rows.items() if value in own[1])
        return f"{row}[{slots.index(value)}]"

    def tensor_slot(self, symbol: sympy.Basic) -> str:
        """Return the read of an integer from the tensor row."""
        return f"int64(tensor[{self.layout.tensor.index(symbol)}])"

    def compute(self, compute: Compute, printer: Printer) -> list[str]:
        """Return a statement, after a comment with the line of the rule that it comes from."""
        text = printer.statement(compute.expression)
        if compute.rounded and printer.dtype == "float64" and self.dtype != "float64":
            text = f"float64({self.dtype}({text}))"
        name = self.names.values[compute.symbol]
        note = [comment(compute.note)] if compute.note and not compute.hoisted else []
        return [*note, f"{name} = {text}"]

    def vectors_in(self, symbols: set[sympy.Basic]) -> list[Vector]:
        """Return the axis arrays among some symbols, in the order of their columns."""
        return [vector for vector in self.layout.vectors if vector.symbol in symbols]


def symbols_of(items: Iterable[Compute | Reduce]) -> set[sympy.Basic]:
    """Return the symbols that the expressions of statements use."""
    return {symbol for item in items for symbol in item.expression.free_symbols}


def widened(reduce: Reduce, printer: Printer) -> str:
    """Return the argument of a reduction in float64.

    The factors of squares and products are converted first, so that these do not overflow.
    """
    expression = reduce.expression
    if printer.dtype == "float64" or expression.is_number:
        return _widened_factor(expression, printer)
    if factors := exact_factors(reduce, printer):
        return " * ".join(factors) if len(factors) == 2 else printer.square_of(factors[0])
    if isinstance(expression, sympy.Mul) and not any(map(is_reciprocal, expression.args)):
        factors = sorted((a for a in expression.args if a != -1), key=printer.rank)
        sign = "-" if expression.args.count(-1) % 2 else ""  # passes may leave several
        return sign + " * ".join(_widened_factor(factor, printer) for factor in factors)
    return printer.as_double(printer(expression))


def exact_factors(reduce: Reduce, printer: Printer) -> list[str]:
    """Return the factors, in float64, of a square (one) or product (two) that float64 holds.

    That is one of float32 values. Of anything else, return nothing.
    """
    expression = reduce.expression
    if printer.dtype != "float32" or expression.is_number:
        return []
    if isinstance(expression, sympy.Pow) and expression.exp == 2:
        return [printer.as_double(printer(expression.base))]
    factors = expression.args if isinstance(expression, sympy.Mul) else ()
    is_plain = all(not (f.is_number or isinstance(f, sympy.Pow)) for f in factors)
    if len(factors) != 2 or not is_plain:
        return []
    return [printer.as_double(printer(f)) for f in sorted(factors, key=printer.rank)]


def _widened_factor(factor: Any, printer: Printer) -> str:
    """Return a factor in float64."""
    if printer.dtype == "float64":
        return printer(factor)
    if factor.is_number:
        return repr(float(factor))
    if isinstance(factor, sympy.Pow) and factor.exp == 2:
        return printer.square_of(printer.as_double(printer(factor.base)))
    return printer.as_double(printer(factor))
