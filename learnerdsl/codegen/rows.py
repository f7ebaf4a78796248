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
from learnerdsl.codegen.sweeps import Totals, heading, read_scalars, statements
from learnerdsl.codegen.text import INDENT, Text, indented, symbols_of
from learnerdsl.codegen.workers import Workers
from learnerdsl.ir import Block, Rank, Reduce
from learnerdsl.layout import Vector


class ByRows:
    """A printer of the parts of a sweep that uses axis arrays.

    A target prints the loop over rows around them. It defines `row_number`, the number of a row
    within the chunk, and `part`, if there are parts.

    Args:
        text: the printer of the function.
        block: the sweep.
        workers: who runs the function.
        group: who shares a row.
    """

    def __init__(self, text: Text, block: Block, workers: Workers, group: Workers) -> None:
        self.text = text
        self.block = block
        self.workers = workers
        self.group = group
        self.arrays = AxisArrays(text)
        self.row_axes = text.layout.row_axes
        self.last = self.row_axes[-1]
        self.leading = text.layout.leading
        self.width = self.arrays.length(self.last) if len(self.row_axes) == 1 else "row"
        vectors = text.vectors_in(symbols_of((*block.computes, *block.reduces)))
        self.along = [v for v in vectors if self.last in v.axes]
        self.across = [v for v in vectors if self.last not in v.axes]
        domains = text.kernel.domains
        over_axes = [r for r in block.reduces if domains[r.symbol].rank == Rank.VECTOR]
        self.sums_along = [r for r in over_axes if self.last in domains[r.symbol].axes]
        self.sums_across = [r for r in over_axes if self.last not in domains[r.symbol].axes]
        self.scalars = [r for r in block.reduces if r not in over_axes]
        self.outputs = [text.vectors[r.symbol] for r in (*self.sums_across, *self.sums_along)]
        self.in_parts = [vector for vector in self.outputs if vector.in_parts]
        self.is_in_order = any(reduce.block for reduce in block.reduces)
        self.printer = text.printer(text.dtype, "start + offset")
        in_memory = {reduce.symbol for reduce in self.sums_along}
        self.totals = Totals(text, self.printer, workers, "(offset + i)", in_memory)

    def function(self, level: int, results: list[str], loop: list[str]) -> list[str]:
        """Return the function, given views of results of reductions and the loop over rows."""
        text, arrays = self.text, self.arrays
        lines = [f"row = {arrays.count(self.row_axes)}"] if self.width == "row" else []
        if self.in_parts or self.needs_number:
            lines.append(f"first = start // {self.width}")
        lines += read_scalars(text, self.block).values()
        lines += [arrays.whole_view(vector) for vector in self.across]
        if self.in_parts:
            lines.append(arrays.read_chunk_rows())
        lines += results
        lines += [line for r in self.scalars for line in self.totals.start(r)]
        lines += loop
        lines += [line for r in self.scalars for line in self.totals.hand_over(r)]
        head = heading(text, self.block, level, self.workers)
        return [*head, *indented([*arrays.read_lengths(), *lines])]

    @property
    def needs_number(self) -> bool:
        """Whether the place of a value depends on the number of the row in the tensor."""
        vectors = (*self.across, *self.along, *self.outputs)
        return any(axis in self.leading for vector in vectors for axis in vector.axes)

    def cleared_part(
        self, vector: Vector, row: str, workers: Workers, condition: str = ""
    ) -> list[str]:
        """Return a view of a part, as `AxisArrays.part` does, and the loop that clears it."""
        name = self.text.names.arrays[vector.symbol]
        return [
            *self.arrays.part(vector, row, condition),
            workers.loop("k", f"{name}_count"),
            f"{INDENT}{name}_part[k] = {vector.monoid.identity!r}",
        ]

    def row(self) -> list[str]:
        """Return the statements of a row: views, values across rows, the inner loop, totals."""
        text, names, width = self.text, self.text.names, self.width
        lines = ["here = first + row_number"] if self.needs_number else []
        lines.append(f"offset = row_number * {width}")
        lines += text.memory.views(self.block, "start + offset", "grad_start + offset", width)
        for vector in self.across:
            index = self.arrays.index(vector.axes, self.leading, "here")
            value = text.memory.load(vector.symbol, index)
            lines.append(f"{names.values[vector.symbol]} = {value}")
        for vector in self.along:
            lines.append(self.view_along(vector, self.start_along(vector)))
        for reduce in self.sums_along:
            vector = text.vectors[reduce.symbol]
            place = self.place(vector, self.start_along(vector))
            start = self.arrays.start_of_part(vector)
            lines.append(self.view_along(vector, start if place == "0" else f"{start} + {place}"))
        lines += [line for r in self.sums_across for line in self.totals.start(r)]
        lines += text.memory.begin_noise(self.block, self.printer.start)
        loop = self.group.loop_in_order if self.is_in_order else self.group.loop
        lines.append(loop("i", width))
        lines += indented(statements(text, self.block, self.printer, self.totals, self.along))
        return lines + [line for r in self.sums_across for line in self.finish(r)]

    def view_along(self, vector: Vector, start: str) -> str:
        """Return the statement that names a view of a row's values of an axis array."""
        name = self.text.names.arrays[vector.symbol]
        return f"{name} = {self.arrays.view(vector, start, self.width)}"

    def start_along(self, vector: Vector) -> str:
        """Return the flat index at which a row's values of an axis array along rows start."""
        own = [axis for axis in vector.axes if axis not in self.row_axes]
        index = self.arrays.index(own, self.leading, "here")
        return f"({index}) * {self.width}" if own else "0"

    def place(self, vector: Vector, index: str) -> str:
        """Return the position within a part of the value with a flat index."""
        first = f"{self.text.names.arrays[vector.symbol]}_first"
        return f"{index} - {first}" if vector.in_parts and vector.outer else index

    def finish(self, reduce: Reduce) -> list[str]:
        """Return the statements that write or add a row's total to the axis array."""
        vector = self.text.vectors[reduce.symbol]
        name = self.text.names.arrays[reduce.symbol]
        index = self.place(vector, self.arrays.index(vector.axes, self.leading, "here"))
        place = f"{name}_part[{index}]" if vector.in_parts else f"{name}[{index}]"
        return self.totals.write(reduce, self.group, place, into=vector.in_parts)
