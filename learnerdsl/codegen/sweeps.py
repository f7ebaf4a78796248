"""Printing of sweeps over memory: a loop over a chunk, and the parts that all sweeps share."""

from learnerdsl.codegen.printer import Printer
from learnerdsl.codegen.text import INDENT, Text, array_view, symbols_of, widened
from learnerdsl.expr import Draw, RingState
from learnerdsl.ir import Block, Reduce
from learnerdsl.kernels.slots import STEP
from learnerdsl.layout import Vector


def print_pass(text: Text, block: Block, level: int) -> list[str]:
    """Return the function of a sweep that treats a chunk as one run of elements."""
    printer = text.printer(text.dtype)
    reduces = Totals(text, printer)
    lines = heading(text, block, level)
    lines += [INDENT + line for line in views(text, block, "start", "grad_start", "count")]
    lines += [INDENT + line for line in read_scalars(text, block).values()]
    lines += [INDENT + line for r in block.reduces for line in reduces.start(r)]
    lines.append(f"{INDENT}for i in range(count):")
    lines += [INDENT * 2 + line for line in statements(text, block, printer, reduces, [])]
    return lines + [INDENT + line for r in block.reduces for line in reduces.hand_over(r)]


def heading(text: Text, block: Block, level: int, more: str = "") -> list[str]:
    """Return the first lines of the function; `more` is the text of further arguments."""
    arrays = text.names.arrays
    reads = ", ".join(arrays[load.array] for load in block.loads)
    writes = ", ".join(arrays[s.target] for s in block.stores) or "nothing"
    arguments = f"arrays, model, tensor, start, grad_start, count, sums{more}"
    return [
        "@element_pass",
        f"def {text.function('pass', level)}({arguments}):",
        f'{INDENT}"""Reads {reads or "nothing"}; writes {writes}."""',
    ]


def views(text: Text, block: Block, start: str, grad_start: str, count: str) -> list[str]:
    """Return views of the arrays that a loop reads and writes, `count` elements each."""
    lines: list[str] = []
    for array in block.arrays:
        first = grad_start if array == text.kernel.gradient else start
        column: int | str = text.layout.arrays.index(array)
        if isinstance(array, RingState):
            # The step says which column holds which value, so that no update moves values.
            base = column + 1 - array.lag
            column = f"{base} + (int64(model[{STEP}]) - {array.lag}) % {array.length}"
        view = array_view(text.dtype, column, first, count)
        lines.append(f"{text.names.arrays[array]} = {view}")
    return lines


def read_scalars(text: Text, block: Block) -> dict[str, str]:
    """Return name -> statement that reads it, of scalars and of the key of random numbers."""
    items = (*block.computes, *block.reduces)
    local = {load.symbol for load in block.loads} | {c.symbol for c in block.computes}
    cast = "" if text.dtype == "float64" else text.narrowing or text.dtype
    # A scalar that is only reduced stays in float64, like the sum.
    whole = {r.expression for r in block.reduces if r.expression.is_Symbol and not r.block}
    others = symbols_of(i for i in items if i.expression not in whole) - local
    wide = whole - others - local
    reads = text.read_rows(others, cast) | text.read_rows(wide)
    if any(item.expression.has(Draw) for item in items):
        reads["key"] = "key = random_key(model, tensor)"
    return reads


def statements(
    text: Text, block: Block, printer: Printer, reduces: "Totals", vectors: list[Vector]
) -> list[str]:
    """Return the loop body; `vectors` are axis arrays with a value for each element of a row."""
    names = text.names
    lines = [f"{names.values[load.symbol]} = {names.arrays[load.array]}[i]" for load in block.loads]
    lines += [f"{names.values[v.symbol]} = {names.arrays[v.symbol]}[i]" for v in vectors]
    for compute in block.computes:
        lines += text.compute(compute, printer)
    for reduce in block.reduces:
        lines += reduces.add(reduce)
    for store in block.stores:
        lines.append(f"{names.arrays[store.target]}[i] = {names.values[store.value]}")
    return lines


class Totals:
    """A printer of reductions to scalars; `number` is the index of an element in its chunk."""

    number = "i"

    def __init__(self, text: Text, printer: Printer) -> None:
        self.text = text
        self.printer = printer

    def start(self, reduce: Reduce) -> list[str]:
        """Return the statements that set the total to that over no element."""
        name = self.text.names.values[reduce.symbol]
        if not reduce.block:
            start = [f"{name} = {reduce.monoid.identity!r}"]
            return [*start, f"{name}_nan = False"] if reduce.monoid.loses_nan else start
        zero = f"{self.text.dtype}(0.0)"
        return [f"{name} = {zero}", f"{name}_block = {zero}"]

    def add(self, reduce: Reduce) -> list[str]:
        """Return the statements that add an element; a maximum also records whether it is NaN."""
        name, block, number = self.text.names.values[reduce.symbol], reduce.block, self.number
        if block:
            place = f"{number} % {block}"
            return [
                f"{name}_i = {self.printer(reduce.expression)}",
                f"{name}_block = {name}_i if {place} == 0 else {name}_block + {name}_i",
                f"if {number} >= count - count % {block}:",
                f"{INDENT}{name} = {name} + {name}_i",
                f"elif {place} == {block - 1}:",
                f"{INDENT}{name} = {name} + {name}_block",
            ]
        value = widened(reduce, self.printer)
        hot = reduce.monoid.hot
        if not reduce.monoid.loses_nan:
            return [f"{name} = {hot}({name}, {value})"]
        return [
            f"{name}_i = {value}",
            f"{name} = {hot}({name}, {name}_i)",
            f"{name}_nan |= {name}_i != {name}_i",
        ]

    def total(self, reduce: Reduce) -> str:
        """Return the total of all elements so far."""
        name = self.text.names.values[reduce.symbol]
        return f"nan if {name}_nan else {name}" if reduce.monoid.loses_nan else name

    def hand_over(self, reduce: Reduce) -> list[str]:
        """Return the statement that writes the total of a chunk to its column."""
        return [f"sums[{self.text.layout.reduces.index(reduce)}] = {self.total(reduce)}"]
