"""Text of the scalars and vectors of a tensor for CUDA.

Scalars alone are computed by one thread for each tensor. Where there are values for indices of some
axes, a block of threads shares the loops over them; parts of sums were joined before it runs.
"""

from itertools import groupby

from learnerdsl.codegen.scalars import Vectors, print_tensor_scalars, read_by, write_row
from learnerdsl.codegen.text import INDENT, Text, symbols_of
from learnerdsl.ir import Block, Domain
from learnerdsl.monoids import Monoid


def print_cuda_tensor_scalars(
    text: Text, block: Block, name: str, last_pass: Block | None
) -> list[str]:
    """The function of the scalars and vectors of a tensor; nothing if it would do nothing."""
    del last_pass
    touched = symbols_of(block.computes) | {c.symbol for c in block.computes}
    touched |= {symbol for store in block.stores for symbol in (store.target, store.value)}
    if not text.vectors_in(touched):
        return print_tensor_scalars(text, block, name, None)
    vectors = _SharedVectors(text)
    lines = text.read_rows(read_by(block))
    lines += vectors.views(block, [])
    for domain, group in groupby(block.computes, lambda c: vectors.loop_of(c)):
        lines += vectors.statements(domain, list(group))
    written = write_row(text, block, Domain.TENSOR)
    if written:
        # No thread may still be reading what is written here.
        lines += ["sync()"] if lines[-1] != "sync()" else []
        lines += ["if thread() == 0:", *(INDENT + line for line in written)]
    lines += [line for store in block.stores for line in vectors.copy(store)]
    return [
        "@tensor_vectors",
        f"def {name}(arrays, model, tensor, scratch):",
        f'{INDENT}"""Scalars and vectors of a tensor, in float64, by all threads of a block."""',
        *(INDENT + line for line in lines),
    ]


class _SharedVectors(Vectors):
    """Loops that the threads of a block share."""

    over = "for k in range(thread(), {count}, threads()):"
    between = ("sync()",)

    def to_scalar(self, name: str, monoid: Monoid, count: str, loop: list[str]) -> list[str]:
        """Every thread reduces some, then they do so together."""
        own = super().to_scalar(name, monoid, count, loop)
        return [*own, f"{name} = {monoid.of_block}({name}, threads(), scratch)"]

    def to_vector(self, count: str, loop: list[str]) -> list[str]:
        """One thread does it, so that what goes into the same place is added in order."""
        head = f"for k in range(0 if thread() == 0 else {count}, {count}):"
        return [head, *loop, *self.between]
