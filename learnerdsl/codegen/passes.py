"""Text of the passes over memory: one loop over a chunk, or a loop over its rows."""

import re

from learnerdsl.codegen.layout import CHUNK_ROWS, Vector
from learnerdsl.codegen.printer import Printer
from learnerdsl.codegen.text import INDENT, Text, symbols_of, widened
from learnerdsl.codegen.vectors import axis_name, count_of, flat_index
from learnerdsl.expr import Draw, RingState
from learnerdsl.ir import Block, Rank, Reduce


def print_pass(text: Text, block: Block, name: str) -> list[str]:
    """The function of a pass that goes over a chunk as one run of elements."""
    printer = text.printer(text.dtype)
    reduces = _Totals(text, printer)
    lines = _heading(text, block, name)
    lines += [INDENT + line for line in _views(text, block, "start", "grad_start", "count")]
    lines += [INDENT + line for line in _scalars(text, block)]
    lines += [INDENT + line for r in block.reduces for line in reduces.start(r)]
    lines.append(f"{INDENT}for i in range(count):")
    lines += [INDENT * 2 + line for line in _body(text, block, printer, reduces, [])]
    return lines + [INDENT + reduces.hand_over(r) for r in block.reduces]


def print_pass_by_rows(text: Text, block: Block, name: str) -> list[str]:
    """The function of a pass that goes over the rows of a chunk, and along each of them."""
    return _ByRows(text, block).lines(name)


def _heading(text: Text, block: Block, name: str) -> list[str]:
    arrays = text.names.arrays
    reads = ", ".join(arrays[load.array] for load in block.loads)
    writes = ", ".join(arrays[s.target] for s in block.stores) or "nothing"
    return [
        "@element_pass",
        f"def {name}(arrays, model, tensor, start, grad_start, count, sums):",
        f'{INDENT}"""Reads {reads or "nothing"}; writes {writes}."""',
    ]


def _views(text: Text, block: Block, start: str, grad_start: str, count: str) -> list[str]:
    """The pieces of the arrays that a loop goes over."""
    lines: list[str] = []
    for array in block.arrays:
        first = grad_start if array == text.kernel.gradient else start
        column: int | str = text.layout.arrays.index(array)
        if isinstance(array, RingState):
            # Values of a ring lie where the step says, so that none is moved.
            base = column + 1 - array.lag
            column = f"{base} + (int64(model[0]) - {array.lag}) % {array.length}"
        view = f"{text.dtype}_array(arrays[{column}], {first}, {count})"
        lines.append(f"{text.names.arrays[array]} = {view}")
    return lines


def _scalars(text: Text, block: Block) -> list[str]:
    """Reads of scalars, and the key of random numbers."""
    items = (*block.computes, *block.reduces)
    local = {load.symbol for load in block.loads} | {c.symbol for c in block.computes}
    cast = "" if text.dtype == "float64" else text.dtype
    lines = text.read_rows(symbols_of(items) - local, cast)
    if any(item.expression.has(Draw) for item in items):
        lines.append("key = random_key(model, tensor)")
    return lines


def _body(
    text: Text, block: Block, printer: Printer, reduces: "_Totals", vectors: list[Vector]
) -> list[str]:
    """What is done to an element; `vectors` have a value for each of a row."""
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


def _without_unused(lines: list[str]) -> list[str]:
    """The lines without sizes and indices that nothing uses."""
    kept: list[str] = []
    for number, line in enumerate(lines):
        name = line.split(" = ")[0].strip()
        is_index = re.fullmatch(r"axis\d+|chunk_rows|first|here|part|row", name)
        if not is_index or re.search(rf"\b{name}\b", "\n".join(lines[number + 1 :])):
            kept.append(line)
    return kept if len(kept) == len(lines) else _without_unused(kept)


class _Totals:
    """Text of reductions to scalars; `number` is that of an element within its chunk."""

    number = "i"

    def __init__(self, text: Text, printer: Printer) -> None:
        self.text = text
        self.printer = printer

    def start(self, reduce: Reduce) -> list[str]:
        """The total of a reduction over no element."""
        name = self.text.names.values[reduce.symbol]
        if reduce.kind == "max":
            return [f"{name} = -inf", f"{name}_nan = False"]
        if not reduce.block:
            return [f"{name} = 0.0"]
        zero = f"{self.text.dtype}(0.0)"
        return [f"{name} = {zero}", f"{name}_block = {zero}"]

    def add(self, reduce: Reduce) -> list[str]:
        """One more element; a maximum keeps apart whether it has met NaN."""
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
        if reduce.kind == "sum":
            return [f"{name} = accumulate({name}, {value})"]
        return [
            f"{name}_i = {value}",
            f"{name} = larger({name}, {name}_i)",
            f"{name}_nan |= {name}_i != {name}_i",
        ]

    def total(self, reduce: Reduce) -> str:
        """The total of all elements so far."""
        name = self.text.names.values[reduce.symbol]
        return name if reduce.kind == "sum" else f"nan if {name}_nan else {name}"

    def hand_over(self, reduce: Reduce) -> str:
        """The total of a chunk goes to its column."""
        return f"sums[{self.text.layout.reduces.index(reduce)}] = {self.total(reduce)}"


class _TotalsByRows(_Totals):
    """Text of reductions, those over axes included; `last` is an axis of the rows."""

    number = "(offset + i)"

    def __init__(self, text: Text, printer: Printer, last: int) -> None:
        super().__init__(text, printer)
        self.last = last

    def along_rows(self, reduce: Reduce) -> bool:
        """Whether it has a value for each element of a row, so that it is summed in memory."""
        return self.last in self.text.kernel.domains[reduce.symbol].axes

    def add(self, reduce: Reduce) -> list[str]:
        """One more element."""
        if not self.along_rows(reduce):
            return super().add(reduce)
        array, value = self.text.names.arrays[reduce.symbol], widened(reduce, self.printer)
        if reduce.kind == "sum":
            return [f"{array}[i] += {value}"]
        return [f"{array}[i] = maximum({array}[i], {value})"]


class _ByRows:
    """A pass that meets values of some axes only."""

    def __init__(self, text: Text, block: Block) -> None:
        self.text = text
        self.block = block
        self.row_axes = text.layout.row_axes
        self.last = self.row_axes[-1]
        self.leading = text.layout.leading
        self.width = axis_name(self.last) if len(self.row_axes) == 1 else "row"
        self.printer = text.printer(text.dtype, "start + offset")
        self.reduces = _TotalsByRows(text, self.printer, self.last)
        used = symbols_of((*block.computes, *block.reduces))
        vectors = text.vectors_in(used)
        self.along = [v for v in vectors if self.last in v.axes]
        self.across = [v for v in vectors if self.last not in v.axes]
        domains = text.kernel.domains
        over_axes = [r for r in block.reduces if domains[r.symbol].rank == Rank.VECTOR]
        self.sums_along = [r for r in over_axes if self.reduces.along_rows(r)]
        self.sums_across = [r for r in over_axes if not self.reduces.along_rows(r)]
        self.scalars = [r for r in block.reduces if r not in over_axes]

    def lines(self, name: str) -> list[str]:
        lines = self.before()
        lines.append(f"for row_number in range(count // {self.width}):")
        lines += [INDENT + line for line in self.row()]
        lines += [self.reduces.hand_over(r) for r in self.scalars]
        lines = _without_unused(lines)
        return [*_heading(self.text, self.block, name), *(INDENT + line for line in lines)]

    def before(self) -> list[str]:
        """Sizes, scalars, and the vectors that rows have one value of."""
        text = self.text
        lines = text.read_axes(range(self.last + 1))
        lines.append(f"row = {count_of(self.row_axes)}")
        lines.append(f"first = start // {self.width}")
        lines += _scalars(text, self.block)
        lines += [text.whole_view(vector) for vector in self.across]
        outputs = [text.vectors[r.symbol] for r in (*self.sums_across, *self.sums_along)]
        if any(vector.in_parts for vector in outputs):
            lines.append(f"chunk_rows = {text.tensor_slot(CHUNK_ROWS)}")
            lines.append("part = first // chunk_rows")
        for vector in outputs:
            lines += self.output(vector)
        return lines + [line for r in self.scalars for line in self.reduces.start(r)]

    def output(self, vector: Vector) -> list[str]:
        """The array of a reduction; every chunk has a part of its own, which it clears first."""
        if not vector.in_parts:
            return [self.text.whole_view(vector)]
        name, count = self.text.names.arrays[vector.symbol], count_of(vector.axes)
        length, first = self.text.part(vector, "first")
        lines = [f"{name}_count = {length}"]
        if vector.outer:
            lines.append(f"{name}_first = {first}")
        start = f"{count} + part * {name}_count"
        return [
            *lines,
            f"{name}_part = {self.text.view(vector, start, f'{name}_count')}",
            f"for k in range({name}_count):",
            f"{INDENT}{name}_part[k] = {vector.start!r}",
        ]

    def place(self, vector: Vector, index: str) -> str:
        """Where the value at an index of a vector is in the part of a chunk."""
        first = f"{self.text.names.arrays[vector.symbol]}_first"
        return f"{index} - {first}" if vector.in_parts and vector.outer else index

    def row(self) -> list[str]:
        """One row: pieces of the arrays, its values of vectors, the loop along it, its totals."""
        text, names, width = self.text, self.text.names, self.width
        lines = ["here = first + row_number", f"offset = row_number * {width}"]
        lines += _views(text, self.block, "start + offset", "grad_start + offset", width)
        for vector in self.across:
            index = flat_index(vector.axes, self.leading, "here")
            lines.append(f"{names.values[vector.symbol]} = {names.arrays[vector.symbol]}[{index}]")
        for vector in self.along:
            start = self.start_along(vector)
            lines.append(f"{names.arrays[vector.symbol]} = {text.view(vector, start, width)}")
        for reduce in self.sums_along:
            vector = text.vectors[reduce.symbol]
            name = names.arrays[vector.symbol]
            start = f"{count_of(vector.axes)} + part * {name}_count"
            place = self.place(vector, self.start_along(vector))
            start += "" if place == "0" else f" + {place}"
            lines.append(f"{name} = {text.view(vector, start, width)}")
        lines += [line for r in self.sums_across for line in self.reduces.start(r)]
        lines.append(f"for i in range({width}):")
        body = _body(text, self.block, self.printer, self.reduces, self.along)
        lines += [INDENT + line for line in body]
        return lines + [line for r in self.sums_across for line in self.finish(r)]

    def start_along(self, vector: Vector) -> str:
        """Where a row's piece of a vector starts."""
        own = [axis for axis in vector.axes if axis not in self.row_axes]
        index = flat_index(own, self.leading, "here")
        return "0" if index == "0" else f"({index}) * {self.width}"

    def finish(self, reduce: Reduce) -> list[str]:
        """The total of a row goes where it belongs."""
        vector = self.text.vectors[reduce.symbol]
        name, total = self.text.names.arrays[reduce.symbol], self.reduces.total(reduce)
        index = self.place(vector, flat_index(vector.axes, self.leading, "here"))
        if not vector.in_parts:
            return [f"{name}[{index}] = {total}"]
        if reduce.kind == "sum":
            return [f"{name}_part[{index}] += {total}"]
        return [f"{name}_part[{index}] = maximum({name}_part[{index}], {total})"]
