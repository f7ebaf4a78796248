"""Kernel -> the Python source of Numba functions for the CPU.

One function for each block: `<rule>_pass_<k>` runs the element loop over one chunk of one tensor,
`<rule>_scalars_<k>` fills a model row and `<rule>_tensor_scalars_<k>` a tensor row before pass k.
"""

import re
from dataclasses import dataclass

import sympy

from learnerdsl.codegen.layout import Layout
from learnerdsl.codegen.naming import KERNEL_FUNCTIONS, Names
from learnerdsl.codegen.printer import Printer
from learnerdsl.expr import Draw
from learnerdsl.ir import Block, Compute, Domain, Kernel, Reduce

INDENT = "    "


@dataclass(frozen=True)
class Functions:
    """Names of the functions of one level: scalars, then the pass; "" where there is none."""

    model: str
    tensor: str
    element: str


def print_cpu(kernel: Kernel, layout: Layout, dtype: str) -> tuple[str, tuple[Functions, ...]]:
    """The source text of a kernel and the names of its functions, level by level."""
    source = _Source(kernel, layout, dtype)
    levels: list[Functions] = []
    blocks = list(kernel.blocks)
    for k, start in enumerate(range(0, len(blocks), 3), 1):
        model, tensor = blocks[start : start + 2]
        element = blocks[start + 2] if start + 2 < len(blocks) else None
        levels.append(
            Functions(
                model=source.scalars(model, f"{kernel.name}_scalars_{k}"),
                tensor=source.scalars(tensor, f"{kernel.name}_tensor_scalars_{k}"),
                element=source.element(element, f"{kernel.name}_pass_{k}") if element else "",
            )
        )
    return source.text(), tuple(levels)


class _Source:
    """Collects the functions of a kernel."""

    def __init__(self, kernel: Kernel, layout: Layout, dtype: str) -> None:
        self.kernel = kernel
        self.layout = layout
        self.dtype = dtype
        self.names = Names(kernel)
        self.functions: list[list[str]] = []
        self.notes = {
            c.symbol: c.note for block in kernel.blocks for c in block.computes if c.hoisted
        }
        scalars = [s for s, d in kernel.domains.items() if d != Domain.ELEMENT]
        self.scalar_names = frozenset(self.names.values[s] for s in scalars)

    def text(self) -> str:
        """The whole module."""
        body = "\n\n\n".join("\n".join(lines) for lines in self.functions)
        code = re.sub(r'#.*|""".*"""', "", body)
        used = [name for name in KERNEL_FUNCTIONS if re.search(rf"\b{name}\b", code)]
        arrays = ", ".join(str(a) for a in self.kernel.arrays)
        header = [
            f'"""The rule {self.kernel.name} over {arrays}, in {self.dtype}, for the CPU.',
            "",
            "Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.",
            '"""',
            "",
            "from learnerdsl.runtime.kernel import (",
            *(f"{INDENT}{name}," for name in used),
            ")",
        ]
        return "\n".join(header) + "\n\n\n" + body + "\n"

    def scalars(self, block: Block, name: str) -> str:
        """Add the function of a scalar block; return its name, or "" if it would do nothing."""
        if not block.computes and not block.stores:
            return ""
        printer = Printer(self.names.values, self.scalar_names, "float64")
        tensor = block.domain == Domain.TENSOR
        lines = [
            "@tensor_scalars" if tensor else "@model_scalars",
            f"def {name}({'model, tensor' if tensor else 'model'}):",
            f'{INDENT}"""Scalars of {"a tensor" if tensor else "the model"}, in float64."""',
        ]
        own = {c.symbol for c in block.computes}
        used = _used(block.computes) | {store.value for store in block.stores}
        lines += [INDENT + line for line in self.read_rows(used - own)]
        lines += [INDENT + line for c in block.computes for line in self.compute(c, printer)]
        row = self.layout.row(block.domain or Domain.MODEL)
        row_name = "tensor" if tensor else "model"
        for compute in block.computes:
            if compute.symbol in row:
                slot = row.index(compute.symbol)
                lines.append(f"{INDENT}{row_name}[{slot}] = {self.names.values[compute.symbol]}")
        for store in block.stores:
            slot = row.index(store.target)
            lines.append(f"{INDENT}{row_name}[{slot}] = {self.names.values[store.value]}")
        self.functions.append(lines)
        return name

    def read_rows(self, symbols: set[sympy.Basic], cast: str = "") -> list[str]:
        """Reads of the scalars that a block uses, in the order of the rows."""
        lines: list[str] = []
        for row_name, row in (("model", self.layout.model), ("tensor", self.layout.tensor)):
            for slot, symbol in enumerate(row):
                if symbol in symbols:
                    value = f"{row_name}[{slot}]"
                    text = f"{cast}({value})" if cast else value
                    note = f"  # {self.notes[symbol]}" if symbol in self.notes else ""
                    lines.append(f"{self.names.values[symbol]} = {text}{note}")
        return lines

    def compute(self, compute: Compute, printer: Printer) -> list[str]:
        """The statement, under the line of the rule it comes from."""
        text = printer(compute.expression)
        if compute.rounded and printer.dtype == "float64" and self.dtype != "float64":
            text = f"float64({self.dtype}({text}))"
        name = self.names.values[compute.symbol]
        note = [f"# {compute.note}"] if compute.note and not compute.hoisted else []
        return [*note, f"{name} = {text}"]

    def element(self, block: Block, name: str) -> str:
        """Add the function of a pass over memory."""
        printer = Printer(self.names.values, self.scalar_names, self.dtype)
        arrays = {a: i for i, a in enumerate(self.layout.arrays)}
        reads = ", ".join(self.names.arrays[load.array] for load in block.loads)
        writes = ", ".join(self.names.arrays[s.target] for s in block.stores) or "nothing"
        lines = [
            "@element_pass",
            f"def {name}(arrays, model, tensor, start, grad_start, count, sums):",
            f'{INDENT}"""Reads {reads or "nothing"}; writes {writes}."""',
        ]
        for array in block.arrays:
            first = "grad_start" if array == self.kernel.gradient else "start"
            view = f"{self.dtype}_array(arrays[{arrays[array]}], {first}, count)"
            lines.append(f"{INDENT}{self.names.arrays[array]} = {view}")
        local = {load.symbol for load in block.loads} | {c.symbol for c in block.computes}
        used = _used((*block.computes, *block.reduces)) - local
        cast = "" if self.dtype == "float64" else self.dtype
        lines += [INDENT + line for line in self.read_rows(used, cast)]
        if any(item.expression.has(Draw) for item in (*block.computes, *block.reduces)):
            lines.append(f"{INDENT}key = random_key(model, tensor)")
        lines += [INDENT + line for r in block.reduces for line in self.start_total(r)]
        lines.append(f"{INDENT}for i in range(count):")
        lines += [INDENT * 2 + line for line in self.loop_body(block, printer)]
        for reduce in block.reduces:
            column = self.layout.reduces.index(reduce)
            lines.append(f"{INDENT}sums[{column}] = {self.total(reduce)}")
        self.functions.append(lines)
        return name

    def loop_body(self, block: Block, printer: Printer) -> list[str]:
        lines = [
            f"{self.names.values[load.symbol]} = {self.names.arrays[load.array]}[i]"
            for load in block.loads
        ]
        for compute in block.computes:
            lines += self.compute(compute, printer)
        for reduce in block.reduces:
            lines += self.add_to_total(reduce, printer)
        for store in block.stores:
            lines.append(f"{self.names.arrays[store.target]}[i] = {self.names.values[store.value]}")
        return lines

    def start_total(self, reduce: Reduce) -> list[str]:
        """The total of a reduction over no element."""
        name = self.names.values[reduce.symbol]
        if reduce.kind == "max":
            return [f"{name} = -inf", f"{name}_nan = False"]
        if not reduce.block:
            return [f"{name} = 0.0"]
        return [f"{name} = {self.dtype}(0.0)", f"{name}_block = {self.dtype}(0.0)"]

    def add_to_total(self, reduce: Reduce, printer: Printer) -> list[str]:
        """One more element; a maximum keeps apart whether it has met NaN."""
        name, block = self.names.values[reduce.symbol], reduce.block
        if block:
            return [
                f"{name}_i = {printer(reduce.expression)}",
                f"{name}_block = {name}_i if i % {block} == 0 else {name}_block + {name}_i",
                f"if i >= count - count % {block}:",
                f"{INDENT}{name} = {name} + {name}_i",
                f"elif i % {block} == {block - 1}:",
                f"{INDENT}{name} = {name} + {name}_block",
            ]
        value = _wide(reduce, printer)
        if reduce.kind == "sum":
            return [f"{name} = accumulate({name}, {value})"]
        return [
            f"{name}_i = {value}",
            f"{name} = larger({name}, {name}_i)",
            f"{name}_nan |= {name}_i != {name}_i",
        ]

    def total(self, reduce: Reduce) -> str:
        """What the chunk hands over."""
        name = self.names.values[reduce.symbol]
        return name if reduce.kind == "sum" else f"nan if {name}_nan else {name}"


def _wide(reduce: Reduce, printer: Printer) -> str:
    """The reduced value in float64; a square is squared there, so that it cannot overflow."""
    expression = reduce.expression
    if printer.dtype == "float64":
        return printer(expression)
    if isinstance(expression, sympy.Pow) and expression.exp == 2:
        return f"float64({printer(expression.base)})**2"
    return f"float64({printer(expression)})"


def _used(items: tuple[Compute | Reduce, ...]) -> set[sympy.Basic]:
    return {symbol for item in items for symbol in item.expression.free_symbols}


def print_finite_check(dtype: str) -> str:
    """The module of a pass that counts the gradient values that are NaN or infinite."""
    return f'''"""Counts what is not finite among {dtype} gradients. Written by learnerdsl."""

from learnerdsl.runtime.kernel import (
    abs,
    element_pass,
    {dtype}_array,
    inf,
)


@element_pass
def count_nonfinite(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = {dtype}_array(arrays[1], grad_start, count)
    nonfinite = 0
    for i in range(count):
        nonfinite += 0 if abs(g[i]) < inf else 1
    sums[0] = nonfinite
'''
