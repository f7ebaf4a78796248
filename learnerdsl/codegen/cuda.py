"""Printing of a kernel as Python source of Numba functions for CUDA.

As on the CPU, there is one function per block of the kernel, and a sweep sees one chunk of one
tensor. But a block of threads shares the chunk; see `cuda_packs`, and `cuda_rows` for sweeps that
use axis arrays.
"""

from typing import NoReturn

from learnerdsl.codegen.cuda_blocks import InBlocks
from learnerdsl.codegen.cuda_packs import InPacks
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
from learnerdsl.codegen.sweeps import print_in_order
from learnerdsl.codegen.text import INDENT, Text, indented
from learnerdsl.codegen.workers import BLOCK
from learnerdsl.errors import HyperparameterError
from learnerdsl.ir import Block, Kernel
from learnerdsl.layout import Layout, is_structured
from learnerdsl.storage import STORAGES, Precision


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
    in_order = any(reduce.block for reduce in block.reduces)
    if text.memory.has_blocks(block):
        if in_order:
            _refuse_order(text, block)
        return InBlocks(text, block, level).functions()
    if is_structured(block, text.kernel):
        return [print_cuda_by_rows(text, block, level)]
    if in_order:
        return [print_in_order(text, block, level, BLOCK)]
    return InPacks(text, block, level).functions()


def _refuse_order(text: Text, block: Block) -> NoReturn:
    """Raise for 8-bit states in a sweep with sums in a given order, which one thread adds up."""
    storages = text.layout.storages
    coded = {str(array): storages[array].name for array in block.arrays if storages[array].block}
    name, kind = next(iter(coded.items()))
    msg = (
        f"State {name!r} of {text.kernel.name} cannot be stored as {kind} on a GPU: the sweep that "
        "uses it also adds up sum(..., block=...), which one thread does in order, and several "
        "threads share a block of 8-bit values; choose bfloat16."
    )
    raise HyperparameterError(msg)


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


def print_cuda_finite_check(dtype: str) -> str:
    """Return the module of a sweep that counts NaN and infinite gradient elements."""
    storage = STORAGES[dtype]
    value = f"from_{dtype}(g[i])" if storage.is_coded else "g[i]"
    names = ["abs", "element_pass", f"{storage.raw}_array"]
    names += [f"from_{dtype}"] if storage.is_coded else []
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
