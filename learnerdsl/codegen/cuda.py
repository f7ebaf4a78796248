"""Printing of a kernel as Python source of Numba functions for CUDA.

As on the CPU, there is one function per block of the kernel, and a sweep sees one chunk of one
tensor. But a block of threads shares the chunk: each thread loads 16 bytes (a pack) of every array,
processes those elements, and strides by the number of threads.
"""

import textwrap

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


class _InPacks:
    """A printer of a sweep in packs of elements, and of the function of one element."""

    def __init__(self, text: Text, block: Block, level: int) -> None:
        self.text = text
        self.block = block
        self.level = level
        self.element = text.function("element", level)
        self.length = PACK_BYTES // STORAGES[text.dtype].itemsize
        items = (*block.computes, *block.reduces)
        self.draws = any(item.expression.has(Draw) for item in items)
        self.scalars = read_scalars(text, block)
        self.totals = Totals(text, text.printer(text.dtype), BLOCK)
        names = text.names
        self.loads = [(names.stem(load.symbol), names.arrays[load.array]) for load in block.loads]
        self.loaded = [stem for stem, _ in self.loads]
        self.stores = [(names.stem(s.value), names.arrays[s.target]) for s in block.stores]
        self.reduced = [(reduce, names.stem(reduce.symbol)) for reduce in block.reduces]

    def functions(self) -> list[Lines]:
        """Return the function of an element and that of the sweep."""
        return [self.element_function(), self.whole_pass()]

    def element_function(self) -> Lines:
        """Return the function that maps loaded values to the values to store and to reduce."""
        block, values = self.block, self.text.names.values
        printer = self.text.printer(self.text.dtype, "")
        body = [line for c in block.computes for line in self.text.compute(c, printer)]
        results = [values[store.value] for store in block.stores]
        results += [widened(reduce, printer) for reduce in block.reduces]
        arguments = [values[load.symbol] for load in block.loads]
        arguments += [*(["i"] if self.draws else []), *self.scalars]
        return [
            "@element",
            *_call(f"def {self.element}", arguments, ":"),
            f'{INDENT}"""What pass {self.level} does to an element."""',
            *indented(body),
            f"{INDENT}return {', '.join(results)}",
        ]

    def whole_pass(self) -> Lines:
        """Return the function of the sweep: a loop over packs, then one over the other elements."""
        text, block, length = self.text, self.block, self.length
        lines = text.memory.views(block, "start", "grad_start", "count")
        lines += self.scalars.values()
        lines += [line for r in block.reduces for line in self.totals.start(r)]
        touched = dict.fromkeys(array for _, array in (*self.loads, *self.stores))
        conditions = " & ".join(f"aligned({array})" for array in touched)
        packs = f"count // {length}"
        lines.append(f"packs = {packs} if {conditions} else 0" if touched else f"packs = {packs}")
        lines.append(BLOCK.loop("k", "packs"))
        lines += indented(self.pack())
        lines.append(f"for i in range({length} * packs + thread(), count, threads()):")
        lines += indented(self.single())
        lines += [line for r in block.reduces for line in self.totals.hand_over(r)]
        return [*heading(text, block, self.level, BLOCK), *indented(lines)]

    def pack(self) -> Lines:
        """Return the loop body for a pack: 16 bytes of every array."""
        lanes = range(self.length)
        lines: Lines = []
        for stem, array in self.loads:
            names = ", ".join(self.lane(stem, lane) for lane in lanes)
            lines.append(f"{names} = load{self.length}({array}, k)")
        for lane in lanes:
            first = f"{self.length} * k"
            lines += self.call(lane, f"{first} + {lane}" if lane else first)
        for stem, array in self.stores:
            names = ", ".join(self.result(stem, lane) for lane in lanes)
            lines.append(f"store{self.length}({array}, k, {names})")
        for reduce, stem in self.reduced:
            for lane in lanes:
                lines += self.totals.join(reduce, self.lane(stem, lane))
        return lines

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
    if len(whole) <= WIDTH:
        return [whole]
    wrapped = textwrap.wrap(", ".join(arguments) + ",", WIDTH - len(INDENT))
    return [f"{head}(", *indented(wrapped), f"){end}"]


def print_cuda_finite_check(dtype: str) -> str:
    """Return the module of a sweep that counts NaN and infinite gradient elements."""
    return f'''"""Counts what is not finite among {dtype} gradients. Written by learnerdsl."""

from learnerdsl.kernels.cuda import (
    abs,
    element_pass,
    {dtype}_array,
    inf,
    sum_of,
    thread,
    threads,
)


@element_pass
def count_nonfinite(arrays, model, tensor, start, grad_start, count, sums, scratch):
    """Reads g; writes nothing."""
    g = {dtype}_array(arrays[1], grad_start, count)
    nonfinite = 0.0
    for i in range(thread(), count, threads()):
        nonfinite += 0.0 if abs(g[i]) < inf else 1.0
    nonfinite = sum_of(nonfinite, threads(), scratch)
    if thread() == 0:
        sums[0] = nonfinite
'''
