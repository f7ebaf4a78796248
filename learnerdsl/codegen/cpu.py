"""Kernel -> the Python source of Numba functions for the CPU.

One function for each block: `<rule>_pass_<k>` runs the element loop over one chunk of one tensor,
`<rule>_scalars_<k>` fills a model row and `<rule>_tensor_scalars_<k>` a tensor row before pass k;
`<rule>_matrices_<k>` works on whole matrices with NumPy.
"""

import re
from dataclasses import dataclass

from learnerdsl.codegen.layout import Layout
from learnerdsl.codegen.matrices import MATRIX_FUNCTIONS, print_matrices
from learnerdsl.codegen.naming import KERNEL_FUNCTIONS
from learnerdsl.codegen.passes import print_pass, print_pass_by_rows
from learnerdsl.codegen.scalars import print_model_scalars, print_tensor_scalars
from learnerdsl.codegen.text import Text
from learnerdsl.codegen.vectors import is_structured
from learnerdsl.ir import Block, Kernel


@dataclass(frozen=True)
class Functions:
    """Names of the functions of one level, in the order in which they run; "" where there is none.

    Attributes:
        model: scalars of the model.
        tensor: scalars and vectors of a tensor.
        matrix: functions of whole matrices, in Python.
        element: the pass over memory.
    """

    model: str
    tensor: str
    matrix: str
    element: str


def print_cpu(kernel: Kernel, layout: Layout, dtype: str) -> tuple[str, tuple[Functions, ...]]:
    """The source text of a kernel and the names of its functions, level by level."""
    source = _Source(kernel, layout, dtype)
    levels: list[Functions] = []
    blocks = list(kernel.blocks)
    last_pass: Block | None = None
    for k, start in enumerate(range(0, len(blocks), 4), 1):
        model, tensor, matrix = blocks[start : start + 3]
        element = blocks[start + 3] if start + 3 < len(blocks) else None
        levels.append(
            Functions(
                model=source.model_scalars(model, f"{kernel.name}_scalars_{k}"),
                tensor=source.tensor_scalars(
                    tensor, f"{kernel.name}_tensor_scalars_{k}", last_pass
                ),
                matrix=source.matrices(matrix, f"{kernel.name}_matrices_{k}"),
                element=source.element(element, f"{kernel.name}_pass_{k}") if element else "",
            )
        )
        last_pass = element
    return source.text(), tuple(levels)


class _Source:
    """Collects the functions of a kernel."""

    def __init__(self, kernel: Kernel, layout: Layout, dtype: str) -> None:
        self.text_of = Text(kernel, layout, dtype)
        self.kernel = kernel
        self.dtype = dtype
        self.functions: list[list[str]] = []
        self.imports: list[str] = []

    def text(self) -> str:
        """The whole module."""
        body = "\n\n\n".join("\n".join(lines) for lines in self.functions)
        code = re.sub(r'#.*|""".*"""|np\.\w+', "", body)
        used = [name for name in KERNEL_FUNCTIONS if re.search(rf"\b{name}\b", code)]
        on_matrices = [name for name in MATRIX_FUNCTIONS if re.search(rf"\b{name}\(", code)]
        arrays = ", ".join(str(a) for a in self.kernel.arrays)
        header = [
            f'"""The rule {self.kernel.name} over {arrays}, in {self.dtype}, for the CPU.',
            "",
            "Written by learnerdsl; changes are lost. A pass sees one chunk of one tensor.",
            '"""',
            "",
        ]
        if "np." in body:
            header += ["import numpy as np", ""]
        if used:
            header += ["from learnerdsl.runtime.kernel import (", *(f"    {n}," for n in used), ")"]
        if on_matrices:
            names = ", ".join(on_matrices)
            header.append(f"from learnerdsl.runtime.matrices import {names}")
        return "\n".join(header) + "\n\n\n" + body + "\n"

    def add(self, lines: list[str], name: str) -> str:
        """Add a function; return its name, or "" if there are no lines."""
        if lines:
            self.functions.append(lines)
        return name if lines else ""

    def model_scalars(self, block: Block, name: str) -> str:
        """Add the function of the scalars of the model."""
        return self.add(print_model_scalars(self.text_of, block, name), name)

    def tensor_scalars(self, block: Block, name: str, last_pass: Block | None) -> str:
        """Add the function of the scalars and vectors of a tensor."""
        return self.add(print_tensor_scalars(self.text_of, block, name, last_pass), name)

    def matrices(self, block: Block, name: str) -> str:
        """Add the function of whole matrices."""
        return self.add(print_matrices(self.text_of, block, name), name)

    def element(self, block: Block, name: str) -> str:
        """Add the function of a pass over memory."""
        printed = print_pass_by_rows if is_structured(block, self.kernel) else print_pass
        return self.add(printed(self.text_of, block, name), name)


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
