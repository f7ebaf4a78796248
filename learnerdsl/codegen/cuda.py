"""Printing of a kernel as Python source of Numba functions for CUDA.

As on the CPU, there is one function per block of the kernel, and a sweep sees one chunk of one
tensor. But a block of threads shares the chunk: each thread loads a pack of every array, processes
those elements, and strides by the number of threads. A pack has the same number of elements in
every array: those that fill 16 bytes of the narrowest one.
"""

import textwrap
from typing import NamedTuple

import sympy

from learnerdsl.codegen.cuda_rows import print_cuda_by_rows
from learnerdsl.codegen.matrices import print_cuda_matrices
from learnerdsl.codegen.naming import CUDA_FUNCTIONS
from learnerdsl.codegen.scalars import (
    Vectors,
    print_model_scalars,
    print_tensor_scalars,
    symbols_in,
)
from learnerdsl.codegen.source import Functions, Lines, Target, print_kernel
from learnerdsl.codegen.sweeps import Totals, heading, print_in_order, read_scalars
from learnerdsl.codegen.text import INDENT, Text, indented, widened
from learnerdsl.codegen.workers import BLOCK
from learnerdsl.expr import Draw
from learnerdsl.ir import Block, Kernel
from learnerdsl.kernels.packs import PACK_BYTES
from learnerdsl.layout import Layout, is_structured
from learnerdsl.storage import STORAGES, Precision

WIDTH = 84
"""Maximum length of a line with a call, before it is wrapped."""


def print_cuda(
    kernel: Kernel, layout: Layout, precision: Precision
) -> tuple[str, tuple[Functions, ...]]:
    """Return the source text of a kernel and the names of its functions, level by level."""
    return print_kernel(kernel, layout, precision, CUDA)


def _tensor_scalars(text: Text, block: Block, name: str, last_pass: Block | None) -> Lines:
    """Return the function of a tensor's scalars and axis arrays; no lines if it would be empty.

    If there are axis arrays, the threads of a block share the loops over them; else one thread
    computes the scalars. A builtin kernel has joined the parts of reductions before.
    """
    del last_pass
    if not text.vectors_in(symbols_in(block)):
        return print_tensor_scalars(text, block, name, None)
    return [
        "@tensor_vectors",
        f"def {name}(arrays, model, tensor{BLOCK.scratch}):",
        f'{INDENT}"""Scalars and vectors of a tensor, in float64, by all threads of a block."""',
        *indented(Vectors(text, BLOCK).function_body(block, [])),
    ]


def _element(text: Text, block: Block, level: int) -> list[Lines]:
    """Return the functions of a sweep: by rows, in memory order, or in packs of elements."""
    if is_structured(block, text.kernel):
        return [print_cuda_by_rows(text, block, level)]
    if any(reduce.block for reduce in block.reduces):
        return [print_in_order(text, block, level, BLOCK)]
    return _InPacks(text, block, level).functions()


CUDA = Target(
    name="CUDA",
    about="A block of threads does a chunk of a tensor.",
    imports=(("learnerdsl.kernels.cuda", CUDA_FUNCTIONS),),
    model_scalars=print_model_scalars,
    tensor_scalars=_tensor_scalars,
    matrices=print_cuda_matrices,
    element=_element,
    narrowing="narrowed",
)


MOST = 8
"""Largest number of elements of a pack; the values of more would not fit into the registers."""


class _Access(NamedTuple):
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


class _InPacks:
    """A printer of a sweep in packs of elements, and of the function of one element."""

    def __init__(self, text: Text, block: Block, level: int) -> None:
        self.text = text
        self.block = block
        self.level = level
        self.element = text.function("element", level)
        items = (*block.computes, *block.reduces)
        self.draws = any(item.expression.has(Draw) for item in items)
        self.scalars = read_scalars(text, block)
        self.totals = Totals(text, text.printer(text.dtype), BLOCK)
        memory = text.memory
        self.reads = [
            self.access(x.array, x.symbol, memory.read_by_load(x.array), "stored_{}")
            for x in block.loads
        ]
        self.writes = [
            self.access(x.target, x.value, memory.written_by_store(x.target), "new_{}")
            for x in block.stores
        ]
        self.loads = [part for access in self.reads for part in access.parts]
        self.loaded = [stem for stem, _ in self.loads]
        self.stores = [part for access in self.writes for part in access.parts]
        self.reduced = [(reduce, text.names.stem(reduce.symbol)) for reduce in block.reduces]
        self.touched = dict.fromkeys(array for _, array in (*self.loads, *self.stores))
        widths = [memory.itemsizes[array] for array in self.touched]
        narrowest = min(widths, default=STORAGES[text.dtype].itemsize)
        self.length = min(PACK_BYTES // narrowest, MOST)

    def access(
        self, array: sympy.Symbol, value: sympy.Symbol, moved: list[str], name: str
    ) -> _Access:
        """Return the description of a load or a store."""
        names = self.text.names
        if self.text.memory.is_plain(array):
            return _Access(array, value, [(names.stem(value), *moved)], [names.values[value]], True)
        own = [names.free(name.format(one)) for one in moved]
        return _Access(array, value, [(one, one) for one in moved], own, False)

    def functions(self) -> list[Lines]:
        """Return the function of an element and that of the sweep."""
        return [self.element_function(), self.whole_pass()]

    def element_function(self) -> Lines:
        """Return the function that maps what is loaded to what is stored and reduced."""
        block, text = self.block, self.text
        printer = text.printer(text.dtype, "i")
        body = [self.decode(access) for access in self.reads if not access.is_plain]
        body += [line for c in block.computes for line in text.compute(c, printer)]
        noise = text.memory.draw_noise(block, "i")
        body += noise
        self.draws |= bool(noise)
        body += [line for a in self.writes if not a.is_plain for line in self.encode(a)]
        results = [name for access in self.writes for name in access.names]
        results += [widened(reduce, printer) for reduce in block.reduces]
        arguments = [name for access in self.reads for name in access.names]
        arguments += [*(["i"] if self.draws else []), *self.scalars]
        return [
            "@element",
            *_call(f"def {self.element}", arguments, ":"),
            f'{INDENT}"""What pass {self.level} does to an element."""',
            *indented(body),
            f"{INDENT}return {', '.join(results)}",
        ]

    def decode(self, access: _Access) -> str:
        """Return the statement that decodes what is loaded."""
        memory, (name, *second) = self.text.memory, access.names
        rest = second[0] if second else name
        value = self.text.names.values[access.value]
        return f"{value} = {memory.decoded(access.array, name, rest)}"

    def encode(self, access: _Access) -> Lines:
        """Return the statements that encode what is stored."""
        name, *second = access.names
        value = self.text.names.values[access.value]
        rest = second[0] if second else ""
        return self.text.memory.store_at(access.array, name, rest, value)

    def whole_pass(self) -> Lines:
        """Return the function of the sweep: a loop over packs, then one over the other elements."""
        text, block, length = self.text, self.block, self.length
        lines = text.memory.views(block, "start", "grad_start", "count")
        lines += self.scalars.values()
        lines += [line for r in block.reduces for line in self.totals.start(r)]
        conditions = " & ".join(f"aligned({array})" for array in self.touched)
        packs = f"count // {length}"
        lines.append(
            f"packs = {packs} if {conditions} else 0" if conditions else f"packs = {packs}"
        )
        lines.append(BLOCK.loop("k", "packs"))
        lines += indented(self.pack())
        lines.append(f"for i in range({length} * packs + thread(), count, threads()):")
        lines += indented(self.single())
        lines += [line for r in block.reduces for line in self.totals.hand_over(r)]
        return [*heading(text, block, self.level, BLOCK), *indented(lines)]

    def pack(self) -> Lines:
        """Return the loop body for a pack of every array."""
        lanes = range(self.length)
        lines: Lines = []
        for stem, array in self.loads:
            names = [self.lane(stem, lane) for lane in lanes]
            load = f" = load{self.length}({array}, k)"
            line = ", ".join(names) + load
            lines += [line] if self.fits(line) else _wrapped("", names, load)
        for lane in lanes:
            first = f"{self.length} * k"
            lines += self.call(lane, f"{first} + {lane}" if lane else first)
        for stem, array in self.stores:
            names = [array, "k", *(self.result(stem, lane) for lane in lanes)]
            store = f"store{self.length}"
            line = f"{store}({', '.join(names)})"
            lines += [line] if self.fits(line) else _wrapped(store, names)
        for reduce, stem in self.reduced:
            for lane in lanes:
                lines += self.totals.join(reduce, self.lane(stem, lane))
        return lines

    def fits(self, line: str) -> bool:
        """Return whether a load or store stays in one line, as those of few elements do."""
        return len(line) <= WIDTH or self.length < MOST

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
        arguments += [f"start + {position}"] if self.draws else []
        arguments += self.scalars
        results = [self.result(stem, lane) for stem, _ in self.stores]
        results += [self.lane(stem, lane) for _, stem in self.reduced]
        return _call(f"{', '.join(results)} = {self.element}", arguments)

    def lane(self, stem: str, lane: int | None) -> str:
        """Return the name of a value in a lane of a pack, or of a single element (None)."""
        taken = self.text.names.taken
        while any(f"{stem}_{other}" in taken for other in range(self.length)):
            stem += "_"
        return f"{stem}_{'i' if lane is None else lane}"

    def result(self, stem: str, lane: int | None) -> str:
        """Return the name of a value to store; `new_` precedes the name of one that was loaded."""
        return self.lane(f"new_{stem}" if stem in self.loaded else stem, lane)


def _call(head: str, arguments: list[str], end: str = "") -> Lines:
    """Return a call or the head of a function, wrapped if it is too long for a line."""
    whole = f"{head}({', '.join(arguments)}){end}"
    return [whole] if len(whole) <= WIDTH else _wrapped(head, arguments, end)


def _wrapped(head: str, names: list[str], end: str = "") -> Lines:
    """Return a list of names in parentheses over several lines."""
    wrapped = textwrap.wrap(", ".join(names) + ",", WIDTH - len(INDENT))
    return [f"{head}(", *indented(wrapped), f"){end}"]


def print_cuda_finite_check(dtype: str) -> str:
    """Return the module of a sweep that counts NaN and infinite gradient elements."""
    storage = STORAGES[dtype]
    is_coded = storage.raw != storage.name
    value = f"from_{dtype}(g[i])" if is_coded else "g[i]"
    names = ["abs", "element_pass", f"{storage.raw}_array", *([f"from_{dtype}"] * is_coded)]
    imports = "\n".join(f"    {name}," for name in [*names, "inf", "sum_of", "thread", "threads"])
    return f'''"""Counts what is not finite among {dtype} gradients. Written by learnerdsl."""

from learnerdsl.kernels.cuda import (
{imports}
)


@element_pass
def count_nonfinite(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g; writes nothing."""
    g = {storage.raw}_array(arrays[1], grad_start, count)
    nonfinite = 0.0
    for i in range(thread(), count, threads()):
        nonfinite += 0.0 if abs({value}) < inf else 1.0
    nonfinite = sum_of(nonfinite, threads(), scratch)
    if thread() == 0:
        sums[0] = nonfinite
'''
