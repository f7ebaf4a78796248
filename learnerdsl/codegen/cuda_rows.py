"""Text of the CUDA passes that meet values of some axes only, and of reductions by a block.

Threads share a row where it is long. Where it is short, several rows are done at once, unless their
sums meet in the same place: then one row is done after the other, and the values of a column are
always added by the same thread, so that the order of the sums is fixed.
"""

from learnerdsl.codegen.passes import Totals
from learnerdsl.codegen.rows import ByRows, TotalsByRows
from learnerdsl.codegen.text import INDENT, Text, widened
from learnerdsl.ir import Block, Reduce

BLOCK_SCRATCH = ", scratch"
"""The argument that a pass has beside those it has on the CPU."""


class _SharedTotals(Totals):
    """Totals of which every thread has a part."""

    def start(self, reduce: Reduce) -> list[str]:
        """The total over no element; a maximum needs nothing to remember NaN."""
        return super().start(reduce)[: 1 if reduce.kind == "max" else None]

    def add(self, reduce: Reduce) -> list[str]:
        """One more element."""
        if reduce.block:
            return super().add(reduce)
        return [self.join(reduce, widened(reduce, self.printer))]

    def join(self, reduce: Reduce, value: str) -> str:
        """One more value that is reduced."""
        name = self.text.names.values[reduce.symbol]
        if reduce.kind == "sum":
            return f"{name} = {name} + {value}"
        return f"{name} = maximum({name}, {value})"

    def total(self, reduce: Reduce) -> str:
        """The total of all elements so far."""
        return self.text.names.values[reduce.symbol]

    def shared(self, reduce: Reduce, lanes: str) -> str:
        """The total of all threads that share a row, or of the block."""
        name = self.text.names.values[reduce.symbol]
        function = "sum_of" if reduce.kind == "sum" else "maximum_of"
        value = name if not reduce.block else f"float64({name})"
        return f"{name} = {function}({value}, {lanes}, scratch)"

    def hand_over(self, reduce: Reduce) -> list[str]:
        """The total of a chunk goes to its column."""
        return [
            self.shared(reduce, "threads()"),
            "if thread() == 0:",
            *(INDENT + line for line in super().hand_over(reduce)),
        ]


class CudaTotals(_SharedTotals):
    """Text of reductions to scalars."""


class _CudaTotalsByRows(_SharedTotals, TotalsByRows):
    """Text of reductions, those over axes included."""

    def add(self, reduce: Reduce) -> list[str]:
        """One more element."""
        if self.along_rows(reduce):
            return TotalsByRows.add(self, reduce)
        return super().add(reduce)


class _CudaByRows(ByRows):
    """A pass that meets values of some axes only."""

    more = BLOCK_SCRATCH
    clear = "for k in range(thread(), {count}, threads()):"
    along_row = "for i in range(lane, {width} if is_row else 0, lanes):"
    totals_of = _CudaTotalsByRows
    reduces: _CudaTotalsByRows

    def __init__(self, text: Text, block: Block) -> None:
        super().__init__(text, block)
        self.in_parts = [
            r for r in (*self.sums_along, *self.sums_across) if text.vectors[r.symbol].in_parts
        ]
        self.in_order = any(reduce.block for reduce in block.reduces)
        if self.in_order:
            self.along_row = "for i in range(0 if thread() == 0 else {width}, {width}):"

    def loop(self) -> list[str]:
        """The loop over the rows, of which each group of threads has one at a time."""
        one_by_one = self.in_order or self.in_parts
        lanes = "threads()" if one_by_one else f"lanes_for({self.width})"
        groups = "threads() // lanes"
        return [
            *(["sync()"] if self.in_parts else []),
            f"lanes = {lanes}",
            "lane = thread() % lanes",
            f"row_count = count // {self.width}",
            f"for turn in range((row_count + {groups} - 1) // ({groups})):",
            f"{INDENT}is_row = turn * ({groups}) + thread() // lanes < row_count",
            f"{INDENT}row_number = min(turn * ({groups}) + thread() // lanes, row_count - 1)",
            *(INDENT + line for line in self.row()),
        ]

    def finish(self, reduce: Reduce) -> list[str]:
        """The total of a row goes where it belongs."""
        return [
            self.reduces.shared(reduce, "lanes"),
            "if is_row and lane == 0:",
            *(INDENT + line for line in super().finish(reduce)),
        ]


def print_cuda_pass_by_rows(text: Text, block: Block, name: str) -> list[str]:
    """The function of a pass in which threads share the rows of a chunk."""
    return _CudaByRows(text, block).lines(name)
