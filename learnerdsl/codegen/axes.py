"""Printing of axis arrays: views of them, and index arithmetic with the lengths of axes."""

from collections.abc import Iterable, Sequence

from learnerdsl.codegen.text import Text, array_view
from learnerdsl.expr import AxisSize
from learnerdsl.layout import CHUNK_ROWS, Vector


class AxisArrays:
    """A printer of the axis arrays of one function; it records which lengths these need."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self._used: set[int] = set()

    def read_lengths(self) -> list[str]:
        """Return reads of the lengths that what was printed so far needs."""
        read = self.text.tensor_slot
        return [f"axis{axis} = {read(AxisSize(axis))}" for axis in sorted(self._used)]

    def read_chunk_rows(self) -> str:
        """Return the read of the number of rows that a part is for."""
        return f"chunk_rows = {self.text.tensor_slot(CHUNK_ROWS)}"

    def length(self, axis: int) -> str:
        """Return the name of the variable with the length of an axis, an integer."""
        self._used.add(axis)
        return f"axis{axis}"

    def count(self, axes: Iterable[int]) -> str:
        """Return the product of the lengths of some axes."""
        return " * ".join(self.length(axis) for axis in axes) or "1"

    def index(self, axes: Sequence[int], space: Sequence[int], variable: str) -> str:
        """Return the flat index over `axes`, given the flat index `variable` over the axes `space`.

        `axes` are some of `space`. For the axes 0 and 2 of (0, 1, 2) and the variable `k`, it is
        `k // (axis1 * axis2) * axis2 + k % axis2`; for axis 1 of (0, 1), it is `k % axis1`.
        """
        terms: list[str] = []
        remaining = list(axes)
        while remaining:
            run = [remaining.pop(0)]
            while remaining and space.index(remaining[0]) == space.index(run[-1]) + 1:
                run.append(remaining.pop(0))
            text = variable
            inner = [axis for axis in space if axis > run[-1]]
            if inner:
                text += f" // {self._grouped(inner)}"
            if run[0] != space[0]:
                text = f"({text})" if inner else text
                text += f" % {self._grouped(run)}"
            terms.append(f"{text} * {self._grouped(remaining)}" if remaining else text)
        return " + ".join(terms) or "0"

    def _grouped(self, axes: Sequence[int]) -> str:
        """Return the product of the lengths of axes, in parentheses if it has several factors."""
        return self.count(axes) if len(axes) == 1 else f"({self.count(axes)})"

    def view(self, vector: Vector, start: str, count: str) -> str:
        """Return a view of `count` values of an axis array, from index `start` on."""
        dtype = "float64" if vector.is_wide else self.text.dtype
        column = len(self.text.layout.arrays) + self.text.layout.vectors.index(vector)
        return array_view(dtype, column, start, count)

    def whole_view(self, vector: Vector) -> str:
        """Return the statement that names a view of the values of an axis array."""
        name = self.text.names.arrays[vector.symbol]
        return f"{name} = {self.view(vector, '0', self.count(vector.axes))}"

    def part(self, vector: Vector, row: str, condition: str = "") -> list[str]:
        """Return the length of the part whose number is `part`, its first index, and a view of it.

        It is that of the chunk which starts at row `row`, and empty unless `condition` holds.
        """
        name = self.text.names.arrays[vector.symbol]
        length, first = self._extent_of_part(vector, row)
        lines = [f"{name}_count = {length}" + (f" if {condition} else 0" if condition else "")]
        if vector.outer:
            lines.append(f"{name}_first = {first}")
        view = self.view(vector, self.start_of_part(vector), f"{name}_count")
        return [*lines, f"{name}_part = {view}"]

    def _extent_of_part(self, vector: Vector, row: str) -> tuple[str, str]:
        """Return (number of values in a part, index of the first); see `Layout.length_of_part`."""
        count = self.count(vector.axes)
        if not vector.outer:
            return count, "0"
        inner = self.count(a for a in self.text.layout.leading if a not in vector.outer)
        one = self.count(a for a in vector.axes if a not in vector.outer)
        times = "" if one == "1" else f" * {one}"
        most = f"((chunk_rows - 1) // max(1, {inner}) + 2){times}"
        return f"min({count}, {most})", f"{row} // max(1, {inner}){times}"

    def start_of_part(self, vector: Vector) -> str:
        """Return the index in the memory of an axis array at which the part `part` starts."""
        name = self.text.names.arrays[vector.symbol]
        return f"{self.count(vector.axes)} + part * {name}_count"
