"""Printing of sweeps that use axis arrays: a loop over the rows of a chunk, and one along each row.

A row is the run of elements along the axes `Layout.row_axes`. An axis array has either one value
for a row (it is across rows) or one value for each element of a row (it is along rows).

If several chunks contribute to a reduction over axes, the memory of its axis array `a` is

    values    | part 0         | part 1              | part 2                  | ...
    0 ... n-1 | n ... n+m-1    | n+m ... n+2m-1      | n+2m ... n+3m-1         | ...

where n is the number of values and m, `a_count` in the code, is that of a part. Every `chunk_rows`
rows have a part, so a chunk that starts at row `first` writes part `first // chunk_rows`. Value k
of the part belongs to value `a_first + k`. The tensor's next scalar function, or on CUDA
a builtin kernel, joins the parts into the values.
"""

from learnerdsl.codegen.axes import AxisArrays
from learnerdsl.codegen.printer import Printer
from learnerdsl.codegen.sweeps import Totals, heading, read_scalars, statements, views
from learnerdsl.codegen.text import INDENT, Text, symbols_of, widened
from learnerdsl.ir import Block, Rank, Reduce
from learnerdsl.layout import Vector


def print_pass_by_rows(text: Text, block: Block, level: int) -> list[str]:
    """Return the function of a sweep that loops over the rows of a chunk and along each row."""
    return ByRows(text, block).lines(level)


class TotalsByRows(Totals):
    """A printer of reductions, including those over axes; `last` is the last axis of a row."""

    number = "(offset + i)"

    def __init__(self, text: Text, printer: Printer, last: int) -> None:
        super().__init__(text, printer)
        self.last = last

    def along_rows(self, reduce: Reduce) -> bool:
        """Return whether the result has a value for each element of a row.

        Such a reduction accumulates in memory, others in a variable.
        """
        return self.last in self.text.kernel.domains[reduce.symbol].axes

    def add(self, reduce: Reduce) -> list[str]:
        """Return the statements that add an element."""
        if not self.along_rows(reduce):
            return super().add(reduce)
        array, value = self.text.names.arrays[reduce.symbol], widened(reduce, self.printer)
        return [reduce.monoid.joined_into(f"{array}[i]", value)]


class ByRows:
    """A printer of a sweep that uses axis arrays.

    Attributes:
        more: text of further arguments of the function.
        clear: head of the loop that sets a part to the identity element.
        where: condition under which there is a part; "" for always.
        along_row: head of the loop along a row.
    """

    more = ""
    clear = "for k in range({count}):"
    where = ""
    along_row = "for i in range({width}):"
    totals_of = TotalsByRows

    def __init__(self, text: Text, block: Block) -> None:
        self.text = text
        self.block = block
        self.row_axes = text.layout.row_axes
        self.last = self.row_axes[-1]
        self.leading = text.layout.leading
        self.arrays = AxisArrays(text)
        self.width = self.arrays.length(self.last) if len(self.row_axes) == 1 else "row"
        self.printer = text.printer(text.dtype, "start + offset + i")
        self.reduces = self.totals_of(text, self.printer, self.last)
        used = symbols_of((*block.computes, *block.reduces))
        vectors = text.vectors_in(used)
        self.along = [v for v in vectors if self.last in v.axes]
        self.across = [v for v in vectors if self.last not in v.axes]
        domains = text.kernel.domains
        over_axes = [r for r in block.reduces if domains[r.symbol].rank == Rank.VECTOR]
        self.sums_along = [r for r in over_axes if self.reduces.along_rows(r)]
        self.sums_across = [r for r in over_axes if not self.reduces.along_rows(r)]
        self.scalars = [r for r in block.reduces if r not in over_axes]
        self.outputs = [text.vectors[r.symbol] for r in (*self.sums_across, *self.sums_along)]
        self.in_parts = [vector for vector in self.outputs if vector.in_parts]

    def lines(self, level: int) -> list[str]:
        """Return the whole function."""
        lines = [*self.before(), *self.loop(), *self.after()]
        lines = [*self.arrays.read_lengths(), *lines]
        head = heading(self.text, self.block, level, self.more)
        return [*head, *(INDENT + line for line in lines)]

    @property
    def needs_number(self) -> bool:
        """Whether the place of a value depends on the number of the row in the tensor."""
        vectors = (*self.across, *self.along, *self.outputs)
        return any(axis in self.leading for vector in vectors for axis in vector.axes)

    def loop(self) -> list[str]:
        """Return the loop over the rows."""
        header = f"for row_number in range(count // {self.width}):"
        return [header, *(INDENT + line for line in self.row())]

    def after(self) -> list[str]:
        """Return the statements that write the chunk's totals of reductions to scalars."""
        return [line for r in self.scalars for line in self.reduces.hand_over(r)]

    def before(self) -> list[str]:
        """Return the statements before the loop: scalars, views of axis arrays."""
        text = self.text
        lines = [f"row = {self.arrays.count(self.row_axes)}"] if self.width == "row" else []
        if self.in_parts or self.needs_number:
            lines.append(f"first = start // {self.width}")
        lines += read_scalars(text, self.block).values()
        lines += [self.arrays.whole_view(vector) for vector in self.across]
        if self.in_parts:
            lines.append(self.arrays.read_chunk_rows())
        lines += self.sums()
        return lines + [line for r in self.scalars for line in self.reduces.start(r)]

    def sums(self) -> list[str]:
        """Return views of the results of reductions over axes: of the values, or of the part."""
        lines = ["part = first // chunk_rows"] if self.in_parts else []
        for vector in self.outputs:
            view = [self.arrays.whole_view(vector)]
            lines += self.output(vector, "first") if vector.in_parts else view
        return lines

    def output(self, vector: Vector, row: str) -> list[str]:
        """Return a view of the part for the chunk from `row` on, and the loop that clears it."""
        name = self.text.names.arrays[vector.symbol]
        return [
            *self.arrays.part(vector, row, self.where),
            self.clear.format(count=f"{name}_count"),
            f"{INDENT}{name}_part[k] = {vector.monoid.identity!r}",
        ]

    def place(self, vector: Vector, index: str) -> str:
        """Return the position within a part of the value with a flat index."""
        first = f"{self.text.names.arrays[vector.symbol]}_first"
        return f"{index} - {first}" if vector.in_parts and vector.outer else index

    def row(self) -> list[str]:
        """Return the statements of a row: views, values across rows, the inner loop, totals."""
        text, names, width = self.text, self.text.names, self.width
        lines = ["here = first + row_number"] if self.needs_number else []
        lines.append(f"offset = row_number * {width}")
        lines += views(text, self.block, "start + offset", "grad_start + offset", width)
        for vector in self.across:
            index = self.arrays.index(vector.axes, self.leading, "here")
            lines.append(f"{names.values[vector.symbol]} = {names.arrays[vector.symbol]}[{index}]")
        for vector in self.along:
            start = self.start_along(vector)
            view = self.arrays.view(vector, start, width)
            lines.append(f"{names.arrays[vector.symbol]} = {view}")
        for reduce in self.sums_along:
            vector = text.vectors[reduce.symbol]
            name = names.arrays[vector.symbol]
            start = self.arrays.start_of_part(vector)
            place = self.place(vector, self.start_along(vector))
            start += "" if place == "0" else f" + {place}"
            lines.append(f"{name} = {self.arrays.view(vector, start, width)}")
        lines += [line for r in self.sums_across for line in self.reduces.start(r)]
        lines.append(self.along_row.format(width=width))
        body = statements(text, self.block, self.printer, self.reduces, self.along)
        lines += [INDENT + line for line in body]
        return lines + [line for r in self.sums_across for line in self.finish(r)]

    def start_along(self, vector: Vector) -> str:
        """Return the flat index at which a row's values of an axis array along rows start."""
        own = [axis for axis in vector.axes if axis not in self.row_axes]
        index = self.arrays.index(own, self.leading, "here")
        return f"({index}) * {self.width}" if own else "0"

    def finish(self, reduce: Reduce) -> list[str]:
        """Return the statement that writes or adds a row's total to the axis array."""
        vector = self.text.vectors[reduce.symbol]
        name, total = self.text.names.arrays[reduce.symbol], self.reduces.total(reduce)
        index = self.place(vector, self.arrays.index(vector.axes, self.leading, "here"))
        if not vector.in_parts:
            return [f"{name}[{index}] = {total}"]
        return [reduce.monoid.joined_into(f"{name}_part[{index}]", total)]
