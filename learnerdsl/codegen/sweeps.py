"""Printing of sweeps over memory: a loop over a chunk, and the parts that all sweeps share."""

from collections.abc import Set

import sympy

from learnerdsl.codegen.printer import Printer
from learnerdsl.codegen.text import (
    INDENT,
    Text,
    exact_factors,
    indented,
    symbols_of,
    widened,
)
from learnerdsl.codegen.workers import Workers
from learnerdsl.expr import Draw
from learnerdsl.ir import Block, Reduce
from learnerdsl.layout import Vector
from learnerdsl.monoids import SUM


def print_in_order(text: Text, block: Block, level: int, workers: Workers) -> list[str]:
    """Return the function of a sweep in which one thread goes through a chunk in memory order."""
    printer = text.printer(text.dtype)
    totals = Totals(text, printer, workers)
    lines = text.memory.views(block, "start", "grad_start", "count")
    lines += read_scalars(text, block).values()
    lines += [line for r in block.reduces for line in totals.start(r)]
    lines += text.memory.begin_noise(block, "start")
    if has_elements(block):
        lines.append(workers.loop_in_order("i", "count"))
        lines += indented(statements(text, block, printer, totals, []))
    lines += [line for r in block.reduces for line in totals.hand_over(r)]
    return [*heading(text, block, level, workers), *indented(lines)]


def heading(text: Text, block: Block, level: int, workers: Workers) -> list[str]:
    """Return the first lines of the function."""
    arrays = text.names.arrays
    reads = ", ".join(arrays[load.array] for load in block.loads)
    writes = ", ".join(arrays[s.target] for s in block.stores) or "nothing"
    arguments = f"arrays, model, tensor, start, grad_start, count, sums{workers.scratch}"
    return [
        "@element_pass",
        f"def {text.function('pass', level)}({arguments}):",
        f'{INDENT}"""Reads {reads or "nothing"}; writes {writes}."""',
    ]


def read_scalars(text: Text, block: Block) -> dict[str, str]:
    """Return name -> statement that reads it, of scalars and of the key of random numbers."""
    reduces = of_elements(block)
    items = (*block.computes, *reduces)
    local = {load.symbol for load in block.loads} | {c.symbol for c in block.computes}
    cast = "" if text.dtype == "float64" else text.narrowing or text.dtype
    # A scalar that is only reduced stays in float64, like the sum.
    whole = {r.expression for r in reduces if r.expression.is_Symbol and not r.block}
    others = symbols_of(i for i in items if i.expression not in whole) - local
    wide = whole - others - local
    reads = text.read_rows(others, cast) | text.read_rows(wide)
    if any(item.expression.has(Draw) for item in items):
        reads["key"] = "key = random_key(model, tensor)"
    return reads | text.memory.read_key(block)


def of_elements(block: Block) -> list[Reduce]:
    """Return the reductions of a sweep to which each element contributes, not each tensor."""
    return [reduce for reduce in block.reduces if not reduce.by_tensor]


def has_elements(block: Block) -> bool:
    """Return whether a sweep does anything with elements, and does not only count tensors."""
    return bool(block.stores or of_elements(block))


def statements(
    text: Text, block: Block, printer: Printer, totals: "Totals", vectors: list[Vector]
) -> list[str]:
    """Return the loop body; `vectors` are axis arrays with a value for each element of a row."""
    names, memory = text.names, text.memory
    reads = [(load.symbol, load.array) for load in block.loads]
    reads += [(vector.symbol, vector.symbol) for vector in vectors]
    lines = [f"{names.values[symbol]} = {memory.load(array, 'i')}" for symbol, array in reads]
    for compute in block.computes:
        lines += text.compute(compute, printer)
    for reduce in of_elements(block):
        lines += totals.add(reduce)
    lines += memory.draw_noise(block)
    for store in block.stores:
        lines += memory.store(store.target, "i", names.values[store.value])
    return lines


class Totals:
    """A printer of reductions in a loop over elements.

    Args:
        text: the printer of the function.
        printer: the printer of expressions.
        workers: who runs the function; each thread has a total of its own.
        number: text of the index of an element in its chunk.
        in_memory: symbols of the reductions that have a total in memory for each index of the loop;
            the others have theirs in a variable.
    """

    def __init__(
        self,
        text: Text,
        printer: Printer,
        workers: Workers,
        number: str = "i",
        in_memory: Set[sympy.Symbol] = frozenset(),
    ) -> None:
        self.text = text
        self.printer = printer
        self.workers = workers
        self.number = number
        self.in_memory = in_memory

    def start(self, reduce: Reduce) -> list[str]:
        """Return the statements that set the total to that over no element."""
        if reduce.by_tensor:
            return []
        name, monoid = self.text.names.values[reduce.symbol], reduce.monoid
        if reduce.block:
            zero = f"{self.text.dtype}(0.0)"
            return [f"{name} = {zero}", f"{name}_block = {zero}"]
        start = [f"{name} = {monoid.identity!r}"]
        return [*start, f"{name}_nan = False"] if self.workers.loses_nan(monoid) else start

    def add(self, reduce: Reduce) -> list[str]:
        """Return the statements that add an element."""
        if reduce.block and reduce.symbol not in self.in_memory:
            return self._add_in_block(reduce)
        if reduce.symbol in self.in_memory:
            place = f"{self.text.names.arrays[reduce.symbol]}[i]"
            return [reduce.monoid.joined_into(place, widened(reduce, self.printer))]
        factors = exact_factors(reduce, self.printer) if reduce.monoid is SUM else []
        name = self.text.names.values[reduce.symbol]
        if factors and (added := self.workers.added(name, factors)):
            return [f"{name} = {added}"]
        return self.join(reduce, widened(reduce, self.printer))

    def _add_in_block(self, reduce: Reduce) -> list[str]:
        """Return the statements that add an element to the sum of a block of elements."""
        name, block = self.text.names.values[reduce.symbol], reduce.block
        place = f"{self.number} % {block}"
        return [
            f"{name}_i = {self.printer(reduce.expression)}",
            f"{name}_block = {name}_i if {place} == 0 else {name}_block + {name}_i",
            f"if {self.number} >= count - count % {block}:",
            f"{INDENT}{name} = {name} + {name}_i",
            f"elif {place} == {block - 1}:",
            f"{INDENT}{name} = {name} + {name}_block",
        ]

    def join(self, reduce: Reduce, value: str) -> list[str]:
        """Return the statements that join a value to the total, and record whether it is NaN."""
        name, monoid = self.text.names.values[reduce.symbol], reduce.monoid
        if not self.workers.loses_nan(monoid):
            return [f"{name} = {self.workers.joined(monoid, name, value)}"]
        return [
            f"{name}_i = {value}",
            f"{name} = {self.workers.joined(monoid, name, f'{name}_i')}",
            f"{name}_nan |= {name}_i != {name}_i",
        ]

    def write(self, reduce: Reduce, workers: Workers, place: str, into: bool = False) -> list[str]:
        """Return the statements that join the totals of `workers` and write them to a place.

        With `into`, they are joined with what is there already.
        """
        name, monoid = self.text.names.values[reduce.symbol], reduce.monoid
        total = f"nan if {name}_nan else {name}" if self.workers.loses_nan(monoid) else name
        value = f"float64({name})" if reduce.block else name
        statement = monoid.joined_into(place, total) if into else f"{place} = {total}"
        return [*workers.reduced(monoid, name, value), *workers.by_one([statement])]

    def hand_over(self, reduce: Reduce) -> list[str]:
        """Return the statements that write the total of a chunk to its column."""
        place = f"sums[{self.text.layout.reduces.index(reduce)}]"
        if not reduce.by_tensor:
            return self.write(reduce, self.workers, place)
        # The first chunk of a tensor counts it, whichever of its rows the update selects.
        value, identity = self.text.read_row(reduce.expression), reduce.monoid.identity
        counted = f"{place} = {value} if grad_start == 0 else {identity!r}"
        return self.workers.by_one([counted + self.text.note_of(reduce.expression)])
