"""Text of the CUDA passes that meet values of some axes only, and of reductions by a block.

All threads of a block share a row where it is long. Where it is short, groups of threads do several
rows at once. Where sums over rows meet in the same place, each group has a part of the sum of its
own: it does its rows one after the other, and what goes into one place is always added by the same
thread, so that the order of the sums is fixed.
"""

from learnerdsl.codegen.rows import ByRows, TotalsByRows
from learnerdsl.codegen.sweeps import Totals
from learnerdsl.codegen.text import INDENT, Text, widened
from learnerdsl.ir import Block, Reduce

BLOCK_SCRATCH = ", scratch"
"""The argument that a pass has beside those it has on the CPU."""


class CudaTotals(Totals):
    """Totals of which every thread has a part."""

    def start(self, reduce: Reduce) -> list[str]:
        """The total over no element; a maximum needs nothing to remember NaN."""
        return super().start(reduce)[: 1 if reduce.monoid.loses_nan else None]

    def add(self, reduce: Reduce) -> list[str]:
        """One more element."""
        if reduce.block:
            return super().add(reduce)
        return [self.join(reduce, widened(reduce, self.printer))]

    def join(self, reduce: Reduce, value: str) -> str:
        """One more value that is reduced."""
        name = self.text.names.values[reduce.symbol]
        return f"{name} = {reduce.monoid.joined(name, value)}"

    def total(self, reduce: Reduce) -> str:
        """The total of all elements so far."""
        return self.text.names.values[reduce.symbol]

    def shared(self, reduce: Reduce, lanes: str) -> str:
        """The total of all threads that share a row, or of the block."""
        name = self.text.names.values[reduce.symbol]
        value = name if not reduce.block else f"float64({name})"
        return f"{name} = {reduce.monoid.of_block}({value}, {lanes}, scratch)"

    def hand_over(self, reduce: Reduce) -> list[str]:
        """The total of a chunk goes to its column."""
        return [
            self.shared(reduce, "threads()"),
            "if thread() == 0:",
            *(INDENT + line for line in super().hand_over(reduce)),
        ]


class _CudaTotalsByRows(CudaTotals, TotalsByRows):
    """Text of reductions, those over axes included."""

    def add(self, reduce: Reduce) -> list[str]:
        """One more element."""
        if self.along_rows(reduce):
            return TotalsByRows.add(self, reduce)
        return super().add(reduce)


class _CudaByRows(ByRows):
    """A pass that meets values of some axes only."""

    more = BLOCK_SCRATCH
    clear = "for k in range(lane, {count}, lanes):"
    here = "{length} if own < parts_here else 0"
    along_row = "for i in range(lane, {width} if is_row else 0, lanes):"
    totals_of = _CudaTotalsByRows
    reduces: _CudaTotalsByRows

    def __init__(self, text: Text, block: Block) -> None:
        super().__init__(text, block)
        self.lanes = f"lanes_for({self.width})"
        if any(reduce.block for reduce in block.reduces):
            self.lanes = "threads()"
            self.along_row = (
                "for i in range(0 if thread() == 0 else {width}, {width} if is_row else 0):"
            )

    def sums(self) -> list[str]:
        """The arrays of sums over axes; parts of them belong to groups of threads: see `loop`."""
        return [self.text.whole_view(v) for v in self.outputs if not v.in_parts]

    def loop(self) -> list[str]:
        """The loop over the rows, of which each group of threads has one at a time."""
        lines = [
            f"lanes = {self.lanes}",
            "lane = thread() % lanes",
            "groups = threads() // lanes",
            f"row_count = count // {self.width}",
        ]
        if self.in_parts:
            return [*lines, *self.loop_over_parts()]
        return [
            *lines,
            "for turn in range((row_count + groups - 1) // groups):",
            f"{INDENT}row_number = turn * groups + thread() // lanes",
            *(INDENT + line for line in self.guarded_row()),
        ]

    def loop_over_parts(self) -> list[str]:
        """Each group of threads has a part of its own, whose rows it does one after the other."""
        outputs = [self.output(v, "(first + own * chunk_rows)") for v in self.in_parts]
        body = [
            "own = turn * groups + thread() // lanes",
            "part = first // chunk_rows + own",
            *(line for lines in outputs for line in lines),
            "sync()",
            "row_turns = min(chunk_rows, row_count - turn * groups * chunk_rows)",
            "for row_turn in range(row_turns):",
            f"{INDENT}row_number = own * chunk_rows + row_turn",
            *(INDENT + line for line in self.guarded_row()),
        ]
        return [
            "parts_here = (row_count + chunk_rows - 1) // chunk_rows",
            "for turn in range((parts_here + groups - 1) // groups):",
            *(INDENT + line for line in body),
        ]

    def guarded_row(self) -> list[str]:
        """A row, or none: all threads of a block have to come to the sums of their rows."""
        return [
            "is_row = row_number < row_count",
            "row_number = min(row_number, row_count - 1)",
            *self.row(),
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
