"""Printing of CUDA sweeps over 8-bit states, whose blocks of elements share a scale.

The codes of a block can be written only when all its new values are known, since the largest gives
the scale. So `SHARERS` threads share a block: each computes a pack of elements and holds the new
values in registers; the threads find the largest value together; then each encodes its own.

With 64 threads and blocks of 256 elements:

    thread   0   1 ...  31    32  33 ...  63
    block    0   0 ...   0     1   1 ...   1     then blocks 2 and 3, 4 and 5, ...
    elements 0-7 8-15   248-255

All threads run every turn, because they wait for each other. Those without elements load zeros and
store nothing.
"""

import sympy

from learnerdsl.codegen.cuda_packs import MOST, InPacks, assignment, call
from learnerdsl.codegen.source import Lines
from learnerdsl.codegen.sweeps import heading
from learnerdsl.codegen.text import INDENT, Text, indented
from learnerdsl.codegen.workers import BLOCK as ALL
from learnerdsl.ir import Block
from learnerdsl.kernels.packs import SHARERS
from learnerdsl.monoids import MAX
from learnerdsl.storage import BLOCK


class InBlocks(InPacks):
    """A printer of a sweep over 8-bit states, and of the function of one element."""

    def __init__(self, text: Text, block: Block, level: int) -> None:
        super().__init__(text, block, level)
        self.length = MOST
        storages = text.layout.storages
        self.coded = [array for array in block.arrays if storages[array].block]
        self.part = text.names.free("block")

    def waits(self, array: sympy.Symbol) -> bool:
        """Return whether an array has codes: they can be encoded only when the scale is known."""
        return bool(self.text.layout.storages[array].block)

    def factor(self, array: sympy.Symbol) -> str:
        """Return the name of the factor of a block, by which codes are decoded."""
        return self.text.memory.name_of(array, "old") if self.waits(array) else ""

    def whole_pass(self) -> Lines:
        """Return the function of the sweep: a loop over as many blocks as the threads can share."""
        memory, block = self.text.memory, self.block
        lines = memory.views(block, "start", "grad_start", "count")
        lines += memory.views_of_scales(self.coded)
        lines += self.scalars.values()
        lines += [line for r in block.reduces for line in self.totals.start(r)]
        at_once = f"{MOST} * threads()"
        lines.append(f"for turn in range((count + {at_once} - 1) // ({at_once})):")
        lines += indented([*self.before_pack(), *self.pack()])
        lines += [line for r in block.reduces for line in self.totals.hand_over(r)]
        head = heading(self.text, block, self.level, ALL)
        return ["@block_pass", *head[1:], *indented(lines)]

    def before_pack(self) -> Lines:
        """Return the number of a thread's pack, and the factors of its block."""
        memory, storages = self.text.memory, self.text.layout.storages
        lines = [
            "k = turn * threads() + thread()",
            f"{self.part} = min(k // {SHARERS}, (count - 1) // {BLOCK})",
        ]
        for access in self.reads:
            if self.waits(access.array):
                scale = f"{memory.second[access.array]}[{self.part}]"
                kind = storages[access.array].name
                lines.append(f"{self.factor(access.array)} = factor_from_{kind}({scale})")
        return lines

    def pack(self) -> Lines:
        """Return the statements of a pack of every array."""
        lanes = range(self.length)
        lines: Lines = []
        for stem, array in self.loads:
            lines += self.load([self.lane(stem, lane) for lane in lanes], array)
        for lane in lanes:
            lines += self.call(lane, self.index(lane))
        for access in self.writes:
            if self.waits(access.array):
                lines += self.encoded(access.array, access.parts[0][0])
            else:
                for stem, array in access.parts:
                    lines += self.store(array, [self.result(stem, lane) for lane in lanes])
        for reduce, stem in self.reduced:
            for lane in lanes:
                joined = self.totals.join(reduce, self.lane(stem, lane))
                lines += [f"if {self.index(lane)} < count:", *indented(joined)]
        return lines

    def encoded(self, array: sympy.Symbol, stem: str) -> Lines:
        """Return the statements that write the scale of a block, and a thread's codes."""
        memory, kind = self.text.memory, self.text.layout.storages[array]
        values = [self.result(stem, lane) for lane in range(self.length)]
        top, scale, factor = (memory.name_of(array, what) for what in ("top", "new_scale", "new"))
        largest = f"float_of(uint32({top}))"
        lines = [f"{top} = int32(0)"]
        for lane, value in enumerate(values):
            lines.append(f"if {self.index(lane)} < count:")
            lines.append(f"{INDENT}{top} = larger_bits({top}, {value})")
        lines += [
            f"{top} = int32({MAX.of_block}(float64({top}), {SHARERS}, scratch))",
            f"{scale} = {largest if kind.is_signed else f'sqrt({largest})'}",
            f"if k % {SHARERS} == 0 and {self.index(0)} < count:",
            f"{INDENT}{memory.second[array]}[{self.part}] = {scale}",
            f"{factor} = factor_to_{kind.name}({scale})",
        ]
        codes: list[str] = []
        for lane, value in enumerate(values):
            codes.append(self.lane(memory.name_of(array, "code"), lane))
            if memory.is_random(array):
                lines += memory.draw_noise(self.block, f"start + {self.index(lane)}")
            lines.append(f"{codes[-1]} = {memory.encoded(array, value, factor)}")
        return lines + self.store(self.text.names.arrays[array], codes)

    def load(self, names: list[str], array: str) -> Lines:
        """Return the load of a pack, of which some elements may not exist."""
        return assignment(names, f"load{MOST}_within({array}, k, count)")

    def store(self, array: str, values: list[str]) -> Lines:
        """Return the store of a pack, of which some elements may not exist."""
        return call(f"store{MOST}_within", [array, "k", "count", *values])
