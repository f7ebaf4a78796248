"""Printing of CPU sweeps over 8-bit states: a loop over blocks of elements that share scales.

The codes of a block can be written only when all its new values are known, since the largest gives
the scale. So the first loop over a block computes, and holds the new values of 8-bit states in
memory that stays in the cache; then a loop for each of these states encodes them. Views of the
block alone let LLVM see that the loops begin at 0, without which it does not vectorise them.
"""

import sympy

from learnerdsl.codegen.sweeps import Totals, heading, of_elements, read_scalars
from learnerdsl.codegen.text import Text, indented
from learnerdsl.codegen.workers import Workers
from learnerdsl.ir import Block
from learnerdsl.storage import BLOCK


def print_in_blocks(text: Text, block: Block, level: int, workers: Workers) -> list[str]:
    """Return the function of a sweep over a chunk, which starts where a block does."""
    sweep = _InBlocks(text, block, workers)
    lines = [*read_scalars(text, block).values(), *sweep.before()]
    lines += [line for r in block.reduces for line in sweep.totals.start(r)]
    lines.append(f"for {sweep.number} in range((count + {BLOCK - 1}) // {BLOCK}):")
    lines += indented([*sweep.compute(), *sweep.encode()])
    lines += [line for r in block.reduces for line in sweep.totals.hand_over(r)]
    return [*heading(text, block, level, workers), *indented(lines)]


class _InBlocks:
    """A printer of the parts of a sweep over 8-bit states."""

    def __init__(self, text: Text, block: Block, workers: Workers) -> None:
        self.text = text
        self.block = block
        self.number, self.first, self.size = map(text.names.unique, ("block", "first", "size"))
        self.printer = text.printer(text.dtype, f"start + {self.first}")
        in_chunk = f"({self.first} + i)"
        self.totals = Totals(text, self.printer, workers, in_chunk)
        storages = text.layout.storages
        self.coded = [array for array in block.arrays if storages[array].block]
        self.written = {s.target: s.value for s in block.stores if s.target in self.coded}
        self.loaded = [load.array for load in block.loads if load.array in self.coded]

    def name(self, array: sympy.Symbol, what: str) -> str:
        """Return the name of something that belongs to an array of codes."""
        return self.text.memory.name_of(array, what)

    def before(self) -> list[str]:
        """Return the statements before the loop over blocks: scales, and memory to hold values."""
        scales = self.text.memory.views_of_scales(self.coded)
        return scales + [f"{self.name(array, 'held')} = block_scratch()" for array in self.written]

    def compute(self) -> list[str]:
        """Return the statements that compute the new values of a block."""
        memory, names, storages = self.text.memory, self.text.names, self.text.layout.storages
        first, size = self.first, self.size
        lines = [f"{first} = {BLOCK} * {self.number}", f"{size} = min({BLOCK}, count - {first})"]
        starts = f"start + {first}", f"grad_start + {first}"
        lines += memory.views(self.block, *starts, size)
        for array in self.loaded:
            scale = f"{memory.second[array]}[{self.number}]"
            kind = storages[array].name
            lines.append(f"{self.name(array, 'old')} = factor_from_{kind}({scale})")
        lines += [f"{self.name(array, 'top')} = int32(0)" for array in self.written]
        lines += memory.begin_noise(self.block, self.printer.start)
        lines.append(f"for i in range({self.size}):")
        body: list[str] = []
        for load in self.block.loads:
            factor = self.name(load.array, "old") if load.array in self.coded else ""
            value = memory.load(load.array, "i", factor)
            body.append(f"{names.values[load.symbol]} = {value}")
        for compute in self.block.computes:
            body += self.text.compute(compute, self.printer)
        for reduce in of_elements(self.block):
            body += self.totals.add(reduce)
        return lines + indented([*body, *self.store()])

    def store(self) -> list[str]:
        """Return the statements that store an element, or hold it until its scale is known."""
        memory, names = self.text.memory, self.text.names
        direct = [store for store in self.block.stores if store.target not in self.written]
        lines: list[str] = []
        if any(memory.is_random(store.target) for store in direct):
            lines += memory.draw_noise(self.block)
        for store in direct:
            lines += memory.store(store.target, "i", names.values[store.value])
        for array, symbol in self.written.items():
            top, value = self.name(array, "top"), names.values[symbol]
            lines.append(f"{self.name(array, 'held')}[i] = {value}")
            lines.append(f"{top} = larger_bits({top}, {value})")
        return lines

    def encode(self) -> list[str]:
        """Return the statements that write the scales of a block and its codes."""
        memory = self.text.memory
        lines: list[str] = []
        for array in self.written:
            storage = self.text.layout.storages[array]
            scale, factor = self.name(array, "new_scale"), self.name(array, "new")
            top = f"float_of(uint32({self.name(array, 'top')}))"
            noise: list[str] = []
            if memory.is_random(array):
                noise = memory.draw_noise(self.block)
            lines += [
                f"{scale} = {top if storage.is_signed else f'sqrt({top})'}",
                f"{memory.second[array]}[{self.number}] = {scale}",
                f"{factor} = factor_to_{storage.name}({scale})",
                f"for i in range({self.size}):",
                *indented(noise),
                *indented(memory.store(array, "i", f"{self.name(array, 'held')}[i]", factor)),
            ]
        return lines
