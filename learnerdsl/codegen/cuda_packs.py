"""Printing of CUDA sweeps in packs of elements.

Each thread loads a pack of every array, calls the function of an element for each of its elements,
and stores the results. A pack has the same number of elements in every array: those that fill 16
bytes of the narrowest one.
"""

import textwrap
from typing import NamedTuple

import sympy

from learnerdsl.codegen.source import Lines
from learnerdsl.codegen.sweeps import Totals, has_elements, heading, of_elements, read_scalars
from learnerdsl.codegen.text import INDENT, Text, indented, widened
from learnerdsl.codegen.workers import BLOCK
from learnerdsl.expr import Draw
from learnerdsl.ir import Block
from learnerdsl.kernels.packs import PACK_BYTES
from learnerdsl.storage import STORAGES

WIDTH = 84
"""Maximum length of a line with a call, before it is wrapped."""

STORED, NEW = "stored_{}", "new_{}"
"""Names of encoded values before and after an update, given the name of an array."""

MOST = 8
"""Largest number of elements of a pack. With 8, kernels of AdamW need 84 to 128 of the 128
registers of a thread; a pack has fewer of float64, or some values would be kept in memory."""
MOST_BYTES = 32
"""Largest number of bytes of a pack of the widest array."""


class Access(NamedTuple):
    """A load or a store in a sweep.

    Attributes:
        array: symbol of the array.
        value: symbol of its value.
        parts: (stem of the names in the lanes of a pack, name of the array) of what is moved: the
            array, or one or both arrays of a master weight.
        names: names in the function of an element for what is moved.
        is_plain: whether the value itself is moved.
    """

    array: sympy.Symbol
    value: sympy.Symbol
    parts: list[tuple[str, str]]
    names: list[str]
    is_plain: bool


class InPacks:
    """A printer of a sweep in packs of elements, and of the function of one element."""

    def __init__(self, text: Text, block: Block, level: int) -> None:
        self.text = text
        self.block = block
        self.level = level
        self.element = text.function("element", level)
        memory = text.memory
        items = (*block.computes, *block.reduces)
        self.draws = any(item.expression.has(Draw) for item in items)
        self.draws |= any(
            memory.is_random(s.target) and not self.waits(s.target) for s in block.stores
        )
        self.scalars = read_scalars(text, block)
        self.totals = Totals(text, text.printer(text.dtype), BLOCK)
        self.reads = [
            self.access(x.array, x.symbol, memory.read_by_load(x.array), STORED)
            for x in block.loads
        ]
        self.writes = [
            self.access(x.target, x.value, memory.written_by_store(x.target), NEW)
            for x in block.stores
        ]
        self.loads = [part for access in self.reads for part in access.parts]
        self.loaded = [stem for stem, _ in self.loads]
        self.stores = [part for access in self.writes for part in access.parts]
        counted = of_elements(block)
        self.reduced = [(reduce, text.names.stem(reduce.symbol)) for reduce in counted]
        self.touched = dict.fromkeys(array for _, array in (*self.loads, *self.stores))
        widths = [memory.itemsizes[array] for array in self.touched]
        widths = widths or [STORAGES[text.dtype].itemsize]
        self.length = min(PACK_BYTES // min(widths), MOST_BYTES // max(widths), MOST)

    def access(
        self, array: sympy.Symbol, value: sympy.Symbol, moved: list[str], name: str
    ) -> Access:
        """Return the description of a load or a store."""
        names = self.text.names
        if self.text.memory.is_plain(array) or (name == NEW and self.waits(array)):
            part = names.stem(value), moved[0]
            return Access(array, value, [part], [names.values[value]], True)
        own = [names.free(name.format(one)) for one in moved]
        return Access(array, value, [(one, one) for one in moved], own, False)

    def waits(self, array: sympy.Symbol) -> bool:
        """Return whether values of an array can be encoded only when those of others are known."""
        del array
        return False

    def factor(self, array: sympy.Symbol) -> str:
        """Return the name of what decodes the codes of an array; "" if it has none."""
        del array
        return ""

    def functions(self) -> list[Lines]:
        """Return the function of an element and that of the sweep."""
        return [self.element_function()] * has_elements(self.block) + [self.whole_pass()]

    def element_function(self) -> Lines:
        """Return the function that maps what is loaded to what is stored and reduced."""
        block, text = self.block, self.text
        printer = text.printer(text.dtype, "")
        body = [self.decode(access) for access in self.reads if not access.is_plain]
        body += [line for c in block.computes for line in text.compute(c, printer)]
        if any(text.memory.is_random(a.array) and not a.is_plain for a in self.writes):
            body += text.memory.draw_noise(block, "i")
        body += [line for a in self.writes if not a.is_plain for line in self.encode(a)]
        results = [name for access in self.writes for name in access.names]
        results += [widened(reduce, printer) for reduce, _ in self.reduced]
        arguments = [name for access in self.reads for name in access.names]
        arguments += self.factors()
        arguments += [*(["i"] if self.draws else []), *self.scalars]
        groups = grouped(arguments)
        taken = [line for name, own in groups if own for line in assignment(own, name)]
        return [
            "@element",
            *call(f"def {self.element}", [name for name, _ in groups], ":"),
            f'{INDENT}"""What pass {self.level} does to an element."""',
            *indented([*taken, *body]),
            f"{INDENT}return {', '.join(results)}",
        ]

    def decode(self, access: Access) -> str:
        """Return the statement that decodes what is loaded."""
        memory, (name, *second) = self.text.memory, access.names
        rest = second[0] if second else name
        value = self.text.names.values[access.value]
        factor = self.factor(access.array)
        return f"{value} = {memory.decoded(access.array, name, rest, factor)}"

    def factors(self) -> list[str]:
        """Return the names of what decodes the codes that are loaded."""
        return [name for access in self.reads if (name := self.factor(access.array))]

    def encode(self, access: Access) -> Lines:
        """Return the statements that encode what is stored."""
        name, *second = access.names
        value = self.text.names.values[access.value]
        rest = second[0] if second else ""
        return self.text.memory.store_at(access.array, name, rest, value)

    def whole_pass(self) -> Lines:
        """Return the function of the sweep."""
        text, block = self.text, self.block
        lines = text.memory.views(block, "start", "grad_start", "count")
        lines += self.scalars.values()
        lines += [line for r in block.reduces for line in self.totals.start(r)]
        if has_elements(block):
            lines += self.loops()
        lines += [line for r in block.reduces for line in self.totals.hand_over(r)]
        return [*heading(text, block, self.level, BLOCK), *indented(lines)]

    def loops(self) -> Lines:
        """Return the loop over packs of elements, and that over the elements that are left."""
        length = self.length
        conditions = " & ".join(f"aligned({array})" for array in self.touched)
        otherwise = f" if {conditions} else 0" if conditions else ""
        return [
            f"packs = count // {length}{otherwise}",
            BLOCK.loop("k", "packs"),
            *indented(self.pack()),
            f"for i in range({length} * packs + thread(), count, threads()):",
            *indented(self.single()),
        ]

    def pack(self) -> Lines:
        """Return the loop body for a pack of every array."""
        lanes = range(self.length)
        lines: Lines = []
        for stem, array in self.loads:
            names = [self.lane(stem, lane) for lane in lanes]
            lines += self.load(names, array)
        for lane in lanes:
            lines += self.call(lane, self.index(lane))
        for stem, array in self.stores:
            lines += self.store(array, [self.result(stem, lane) for lane in lanes])
        for reduce, stem in self.reduced:
            for lane in lanes:
                lines += self.totals.join(reduce, self.lane(stem, lane))
        return lines

    def index(self, lane: int) -> str:
        """Return the index in the chunk of an element of a pack."""
        return f"{self.length} * k + {lane}" if lane else f"{self.length} * k"

    def load(self, names: list[str], array: str) -> Lines:
        """Return the load of a pack of an array."""
        load = f"load{self.length}({array}, k)"
        is_short = self.length < MOST  # such lines are never wrapped
        return [f"{', '.join(names)} = {load}"] if is_short else assignment(names, load)

    def store(self, array: str, values: list[str]) -> Lines:
        """Return the store of a pack of an array."""
        names, store = [array, "k", *values], f"store{self.length}"
        is_short = self.length < MOST
        return [f"{store}({', '.join(names)})"] if is_short else call(store, names)

    def single(self) -> Lines:
        """Return the loop body for a single element."""
        lines = [f"{self.lane(stem, None)} = {array}[i]" for stem, array in self.loads]
        lines += self.call(None, "i")
        lines += [f"{array}[i] = {self.result(stem, None)}" for stem, array in self.stores]
        for reduce, stem in self.reduced:
            lines += self.totals.join(reduce, self.lane(stem, None))
        return lines

    def call(self, lane: int | None, position: str) -> Lines:
        """Return a call of the function of an element, for a lane of a pack or a single element."""
        arguments = [self.lane(stem, lane) for stem in self.loaded]
        arguments += self.factors()
        arguments += [f"start + {position}"] if self.draws else []
        arguments += self.scalars
        results = [self.result(stem, lane) for stem, _ in self.stores]
        results += [self.lane(stem, lane) for _, stem in self.reduced]
        texts = [f"({', '.join(own)})" if own else name for name, own in grouped(arguments)]
        return call(f"{', '.join(results)} = {self.element}", texts)

    def lane(self, stem: str, lane: int | None) -> str:
        """Return the name of a value in a lane of a pack, or of a single element (None)."""
        taken = self.text.names.taken
        while any(f"{stem}_{other}" in taken for other in range(self.length)):
            stem += "_"
        return f"{stem}_{'i' if lane is None else lane}"

    def result(self, stem: str, lane: int | None) -> str:
        """Return the name of a value to store; `new_` precedes the name of one that was loaded."""
        return self.lane(f"new_{stem}" if stem in self.loaded else stem, lane)


MOST_ARGUMENTS = 30
"""Most arguments of a call; with more, Python passes them as one tuple, which Numba refuses."""


def grouped(arguments: list[str]) -> list[tuple[str, list[str]]]:
    """Return arguments as (name, none), or, if they are too many, as (name, those in a tuple)."""
    if len(arguments) <= MOST_ARGUMENTS:
        return [(name, []) for name in arguments]
    starts = range(0, len(arguments), MOST_ARGUMENTS)
    groups = [arguments[k : k + MOST_ARGUMENTS] for k in starts]
    return [(f"arguments_{k}", own) for k, own in enumerate(groups, 1)]


def call(head: str, arguments: list[str], end: str = "") -> Lines:
    """Return a call or the head of a function, wrapped if it is too long for a line."""
    whole = f"{head}({', '.join(arguments)}){end}"
    return [whole] if len(whole) <= WIDTH else wrapped(head, arguments, end)


def assignment(names: list[str], value: str) -> Lines:
    """Return an assignment to several names, wrapped if it is too long for a line."""
    whole = f"{', '.join(names)} = {value}"
    return [whole] if len(whole) <= WIDTH else wrapped("", names, f" = {value}")


def wrapped(head: str, names: list[str], end: str = "") -> Lines:
    """Return a list of names in parentheses over several lines."""
    text = ", ".join(names) + ","
    wrapped = textwrap.wrap(text, WIDTH - len(INDENT), break_long_words=False)
    return [f"{head}(", *indented(wrapped), f"){end}"]
