"""Printing of CUDA sweeps that use axis arrays, and of reductions by a block of threads.

A group of `lanes` threads shares a row: all threads of a block if rows are long, fewer if they are
short. With 8 threads and 4 lanes, the 2 groups work on these rows:

    thread               0 1 2 3   4 5 6 7
    lane                 0 1 2 3   0 1 2 3
    turn 0               row 0     row 1
    turn 1               row 2     row 3

If a reduction over axes has parts (see `rows`), each group has a part of its own. `own` is the
number of the part within the chunk, `part` its number within the tensor. The group works on the
rows of its part one after the other. With `chunk_rows` = 3:

    turn 0               own 0     own 1
      row_turn 0         row 0     row 3
      row_turn 1         row 1     row 4
      row_turn 2         row 2     row 5
    turn 1               own 2     own 3
      row_turn 0         row 6     row 9

So the same thread always adds to the same value, and the order of the additions is fixed. The last
turn may have groups without a row. Their threads still run, with `is_row` false, because all
threads of a block have to call the functions that reduce over them.
"""

from learnerdsl.codegen.rows import ByRows, TotalsByRows
from learnerdsl.codegen.sweeps import Totals
from learnerdsl.codegen.text import INDENT, Text, widened
from learnerdsl.ir import Block, Reduce

BLOCK_SCRATCH = ", scratch"
"""Text of the argument that a sweep has in addition to those on the CPU."""


class CudaTotals(Totals):
    """A printer of reductions in which every thread has a partial result."""

    def start(self, reduce: Reduce) -> list[str]:
        """Return the statements that set the total to that over no element.

        On CUDA a maximum propagates NaN by itself, so the variable that records NaN is left out.
        """
        return super().start(reduce)[: 1 if reduce.monoid.loses_nan else None]

    def add(self, reduce: Reduce) -> list[str]:
        """Return the statements that add an element."""
        if reduce.block:
            return super().add(reduce)
        return [self.join(reduce, widened(reduce, self.printer))]

    def join(self, reduce: Reduce, value: str) -> str:
        """Return the statement that joins a value to the thread's total."""
        name = self.text.names.values[reduce.symbol]
        return f"{name} = {reduce.monoid.joined(name, value)}"

    def total(self, reduce: Reduce) -> str:
        """Return the thread's total of all elements so far."""
        return self.text.names.values[reduce.symbol]

    def shared(self, reduce: Reduce, lanes: str) -> str:
        """Return the statement that reduces the totals of `lanes` threads to one."""
        name = self.text.names.values[reduce.symbol]
        value = name if not reduce.block else f"float64({name})"
        return f"{name} = {reduce.monoid.of_block}({value}, {lanes}, scratch)"

    def hand_over(self, reduce: Reduce) -> list[str]:
        """Return the statements that reduce over the block and write the total to its column."""
        return [
            self.shared(reduce, "threads()"),
            "if thread() == 0:",
            *(INDENT + line for line in super().hand_over(reduce)),
        ]


class _CudaTotalsByRows(CudaTotals, TotalsByRows):
    """A printer of reductions, including those over axes."""

    def add(self, reduce: Reduce) -> list[str]:
        """Return the statements that add an element."""
        if self.along_rows(reduce):
            return TotalsByRows.add(self, reduce)
        return super().add(reduce)


class _CudaByRows(ByRows):
    """A printer of a sweep that uses axis arrays."""

    more = BLOCK_SCRATCH
    clear = "for k in range(lane, {count}, lanes):"
    where = "own < parts_here"
    along_row = "for i in range(lane, {width} if is_row else 0, lanes):"
    totals_of = _CudaTotalsByRows
    reduces: _CudaTotalsByRows

    def __init__(self, text: Text, block: Block) -> None:
        super().__init__(text, block)
        self.lanes = f"lanes_for({self.width})"
        # A sum in blocks has a given order: one thread works on each row, element by element.
        if any(reduce.block for reduce in block.reduces):
            self.lanes = "threads()"
            self.along_row = (
                "for i in range(0 if thread() == 0 else {width}, {width} if is_row else 0):"
            )

    def sums(self) -> list[str]:
        """Return views of the results that have no parts; see `loop_over_parts` for the others."""
        return [self.arrays.whole_view(v) for v in self.outputs if not v.in_parts]

    def loop(self) -> list[str]:
        """Return the loop over the rows; each group of threads works on one row at a time."""
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
        """Return the loop over parts; each group works on the rows of one part, in order."""
        outputs = [self.output(v, "(first + own * chunk_rows)") for v in self.in_parts]
        # All threads wait at `sync` until the parts are clear: a thread clears values to which
        # others of its group add.
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
        """Return the statements of a row.

        Threads without a row use the addresses of the last one, so that these are valid, but read
        and write no element.
        """
        return [
            "is_row = row_number < row_count",
            "row_number = min(row_number, row_count - 1)",
            *self.row(),
        ]

    def finish(self, reduce: Reduce) -> list[str]:
        """Return the statements that reduce over a group and write or add the row's total."""
        return [
            self.reduces.shared(reduce, "lanes"),
            "if is_row and lane == 0:",
            *(INDENT + line for line in super().finish(reduce)),
        ]


def print_cuda_pass_by_rows(text: Text, block: Block, level: int) -> list[str]:
    """Return the function of a sweep in which groups of threads share the rows of a chunk."""
    return _CudaByRows(text, block).lines(level)
