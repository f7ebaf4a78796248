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

from learnerdsl.codegen.rows import ByRows
from learnerdsl.codegen.text import Text, indented
from learnerdsl.codegen.workers import BLOCK, Threads
from learnerdsl.ir import Block

GROUP = Threads("lane", "lanes")
"""The threads that share a row."""
WITH_ROW = Threads("lane", "lanes", condition="is_row")
"""The same threads in the statements of a row, which the group may lack."""


def print_cuda_by_rows(text: Text, block: Block, level: int) -> list[str]:
    """Return the function of a sweep in which groups of threads share the rows of a chunk."""
    sweep = ByRows(text, block, BLOCK, WITH_ROW)
    # A sum in blocks has a given order: one thread works on each row, element by element.
    lanes = "threads()" if sweep.is_in_order else f"lanes_for({sweep.width})"
    loop = [
        f"lanes = {lanes}",
        "lane = thread() % lanes",
        "groups = threads() // lanes",
        f"row_count = count // {sweep.width}",
        *(_loop_over_parts(sweep) if sweep.in_parts else _loop_over_rows(sweep)),
    ]
    whole = [sweep.arrays.whole_view(v) for v in sweep.outputs if not v.in_parts]
    return sweep.function(level, whole, loop)


def _loop_over_rows(sweep: ByRows) -> list[str]:
    """Return the loop over rows; each group works on one row at a time."""
    return [
        "for turn in range((row_count + groups - 1) // groups):",
        *indented(["row_number = turn * groups + thread() // lanes", *_guarded_row(sweep)]),
    ]


def _loop_over_parts(sweep: ByRows) -> list[str]:
    """Return the loop over parts; each group works on the rows of one part, in order."""
    row, is_part = "(first + own * chunk_rows)", "own < parts_here"
    parts = [line for v in sweep.in_parts for line in sweep.cleared_part(v, row, GROUP, is_part)]
    body = [
        "own = turn * groups + thread() // lanes",
        "part = first // chunk_rows + own",
        *parts,
        # A thread clears values to which others of its group add.
        *GROUP.wait(),
        "row_turns = min(chunk_rows, row_count - turn * groups * chunk_rows)",
        "for row_turn in range(row_turns):",
        *indented(["row_number = own * chunk_rows + row_turn", *_guarded_row(sweep)]),
    ]
    return [
        "parts_here = (row_count + chunk_rows - 1) // chunk_rows",
        "for turn in range((parts_here + groups - 1) // groups):",
        *indented(body),
    ]


def _guarded_row(sweep: ByRows) -> list[str]:
    """Return the statements of a row.

    Threads without a row use the addresses of the last one, so that these are valid, but read
    and write no element.
    """
    return [
        "is_row = row_number < row_count",
        "row_number = min(row_number, row_count - 1)",
        *sweep.row(),
    ]
