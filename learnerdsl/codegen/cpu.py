"""Printing of a kernel as Python source of Numba functions for the CPU.

There is one function per block. `<rule>_pass_<k>` runs the loop of sweep k over one chunk of one
tensor. Before it, `<rule>_scalars_<k>` fills a model row, `<rule>_tensor_scalars_<k>` fills a
tensor row, and `<rule>_matrices_<k>` computes functions of whole matrices with NumPy.
"""

from learnerdsl.codegen.blocks import print_in_blocks
from learnerdsl.codegen.matrices import print_matrices
from learnerdsl.codegen.naming import KERNEL_FUNCTIONS, MATRIX_FUNCTIONS
from learnerdsl.codegen.rows import ByRows
from learnerdsl.codegen.scalars import print_model_scalars, print_tensor_scalars
from learnerdsl.codegen.source import Functions, Lines, Target, print_kernel
from learnerdsl.codegen.sweeps import print_in_order
from learnerdsl.codegen.text import Text, indented
from learnerdsl.codegen.workers import ONE_THREAD
from learnerdsl.ir import Block, Kernel
from learnerdsl.layout import Layout, is_structured
from learnerdsl.storage import STORAGES, Precision


def print_cpu(
    kernel: Kernel, layout: Layout, precision: Precision
) -> tuple[str, tuple[Functions, ...]]:
    """Return the source text of a kernel and the names of its functions, level by level."""
    return print_kernel(kernel, layout, precision, CPU)


def _element(text: Text, block: Block, level: int) -> list[Lines]:
    """Return the function of a sweep, which works row by row if it uses axis arrays."""
    if is_structured(block, text.kernel):
        return [_print_by_rows(text, block, level)]
    printed = print_in_blocks if text.memory.has_blocks(block) else print_in_order
    return [printed(text, block, level, ONE_THREAD)]


def _print_by_rows(text: Text, block: Block, level: int) -> Lines:
    """Return the function of a sweep that loops over the rows of a chunk and along each row."""
    sweep = ByRows(text, block, ONE_THREAD, ONE_THREAD)
    results = ["part = first // chunk_rows"] if sweep.in_parts else []
    for vector in sweep.outputs:
        whole = [sweep.arrays.whole_view(vector)]
        results += sweep.cleared_part(vector, "first", ONE_THREAD) if vector.in_parts else whole
    header = f"for row_number in range(count // {sweep.width}):"
    return sweep.function(level, results, [header, *indented(sweep.row())])


CPU = Target(
    name="the CPU",
    about="A pass sees one chunk of one tensor.",
    imports=(
        ("learnerdsl.kernels.cpu", KERNEL_FUNCTIONS),
        ("learnerdsl.kernels.linalg", MATRIX_FUNCTIONS),
    ),
    model_scalars=print_model_scalars,
    tensor_scalars=print_tensor_scalars,
    matrices=print_matrices,
    element=_element,
)


def print_finite_check(dtype: str) -> str:
    """Return the module of a sweep that counts NaN and infinite gradient elements."""
    storage = STORAGES[dtype]
    value = f"from_{dtype}(g[i])" if storage.is_coded else "g[i]"
    names = ["abs", "element_pass", f"{storage.raw}_array", "inf"]
    names += [f"from_{dtype}"] if storage.is_coded else []
    imports = "\n".join(f"    {name}," for name in names)
    return f'''"""Counts what is not finite among {dtype} gradients. Written by learnerdsl."""

from learnerdsl.kernels.cpu import (
{imports}
)


@element_pass
def count_nonfinite(arrays, model, tensor, start, grad_start, count, sums):
    """Reads g; writes nothing."""
    g = {storage.raw}_array(arrays[1], grad_start, count)
    nonfinite = 0
    for i in range(count):
        nonfinite += 0 if abs({value}) < inf else 1
    sums[0] = nonfinite
'''
