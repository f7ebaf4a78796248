"""Printing of the scalars and axis arrays of a tensor for CUDA.

If a tensor has only scalars, one thread computes them. If it has axis arrays, a block of threads
shares the loops over them; a builtin kernel has joined the parts of reductions before.
"""

from itertools import groupby

from learnerdsl.codegen.scalars import Vectors, print_tensor_scalars, read_by, symbols_in, write_row
from learnerdsl.codegen.text import INDENT, Text
from learnerdsl.ir import Block, Domain
from learnerdsl.monoids import Monoid


def print_cuda_tensor_scalars(
    text: Text, block: Block, name: str, last_pass: Block | None
) -> list[str]:
    """Return the function of a tensor's scalars and axis arrays; no lines if it would be empty."""
    del last_pass
    if not text.vectors_in(symbols_in(block)):
        return print_tensor_scalars(text, block, name, None)
    vectors = _SharedVectors(text)
    lines = vectors.views(block, [])
    for domain, group in groupby(block.computes, lambda c: vectors.loop_of(c)):
        lines += vectors.statements(domain, list(group))
    written = write_row(text, block, Domain.TENSOR)
    if written:
        # Wait until no thread reads the slots that are written here.
        lines += ["sync()"] if lines[-1] != "sync()" else []
        lines += ["if thread() == 0:", *(INDENT + line for line in written)]
    lines += [line for store in block.stores for line in vectors.copy(store)]
    lines = [*text.read_rows(read_by(block)).values(), *vectors.arrays.read_lengths(), *lines]
    return [
        "@tensor_vectors",
        f"def {name}(arrays, model, tensor, scratch):",
        f'{INDENT}"""Scalars and vectors of a tensor, in float64, by all threads of a block."""',
        *(INDENT + line for line in lines),
    ]


class _SharedVectors(Vectors):
    """A printer of loops that the threads of a block share."""

    over = "for k in range(thread(), {count}, threads()):"
    between = ("sync()",)

    def to_scalar(self, name: str, monoid: Monoid, count: str, loop: list[str]) -> list[str]:
        """Return a reduction of a strided share in each thread, then across the block."""
        own = super().to_scalar(name, monoid, count, loop)
        return [*own, f"{name} = {monoid.of_block}({name}, threads(), scratch)"]

    def to_vector(self, count: str, loop: list[str]) -> list[str]:
        """Return a loop in one thread, so that values are added to the same place in order."""
        head = f"for k in range(0 if thread() == 0 else {count}, {count}):"
        return [head, *loop, *self.between]
