"""Printing of CPU sweeps over 8-bit states: a loop over blocks of elements that share scales.

The codes of a block can be written only when all its new values are known, since the largest gives
the scale. So two loops run over each block: the first computes, and holds the new values of 8-bit
states in memory that stays in the cache; the second encodes them.
"""

import sympy

from learnerdsl.codegen.sweeps import Totals, heading, read_scalars
from learnerdsl.codegen.text import Text, indented
from learnerdsl.codegen.workers import Workers
from learnerdsl.ir import Block
from learnerdsl.storage import BLOCK


def print_in_blocks(text: Text, block: Block, level: int, workers: Workers) -> list[str]:
    """Return the function of a sweep over a chunk, which starts where a block does."""
    memory, names = text.memory, text.names
    printer = text.printer(text.dtype)
    totals = Totals(text, printer, workers)
    coded = [a for a in block.arrays if memory.layout.storages[a].block]
    written = {store.target: store.value for store in block.stores if store.target in coded}
    own = {a: _Names(text, a) for a in coded}
    number, first, last = map(names.unique, ("block", "first", "last"))
    lines = memory.views(block, "start", "grad_start", "count")
    lines += read_scalars(text, block).values()
    lines += [f"{own[array].held} = block_scratch()" for array in written]
    lines += [line for r in block.reduces for line in totals.start(r)]
    loaded = {load.array for load in block.loads}
    body = [f"{first} = {BLOCK} * {number}", f"{last} = min({first} + {BLOCK}, count)"]
    body += [f"{own[a].old} = {memory.second[a]}[{number}]" for a in coded if a in loaded]
    body += [f"{own[array].top} = int32(0)" for array in written]
    element = [
        f"{names.values[load.symbol]} = "
        + memory.load(load.array, "i", own[load.array].old if load.array in own else "")
        for load in block.loads
    ]
    for compute in block.computes:
        element += text.compute(compute, printer)
    for reduce in block.reduces:
        element += totals.add(reduce)
    direct = [store for store in block.stores if store.target not in written]
    if any(memory.is_random(store.target) for store in direct):
        element += memory.draw_noise(block, printer.position)
    for store in direct:
        element += memory.store(store.target, "i", names.values[store.value])
    for array, value in written.items():
        element.append(f"{own[array].held}[i - {first}] = {names.values[value]}")
        element.append(f"{own[array].top} = larger_bits({own[array].top}, {names.values[value]})")
    body += [f"for i in range({first}, {last}):", *indented(element)]
    for array in written:
        body += _encode(text, block, array, own[array], (number, first, last))
    lines += [f"for {number} in range((count + {BLOCK - 1}) // {BLOCK}):", *indented(body)]
    lines += [line for r in block.reduces for line in totals.hand_over(r)]
    return [*heading(text, block, level, workers), *indented(lines)]


class _Names:
    """The names of what a sweep needs for an array of codes."""

    def __init__(self, text: Text, array: sympy.Symbol) -> None:
        name = text.names.arrays[array]
        self.old, self.new, self.top, self.held = (
            text.names.unique(f"{name}_{what}") for what in ("old", "new_scale", "top", "held")
        )


def _encode(
    text: Text, block: Block, array: sympy.Symbol, own: _Names, loop: tuple[str, str, str]
) -> list[str]:
    """Return the statements that write the scale of a block and its codes."""
    number, first, last = loop
    memory = text.memory
    top = f"float_of(uint32({own.top}))"
    scale = top if memory.layout.storages[array].is_signed else f"sqrt({top})"
    noise = memory.draw_noise(block, "start + i") if memory.is_random(array) else []
    store = memory.store(array, "i", f"{own.held}[i - {first}]", own.new)
    return [
        f"{own.new} = {scale}",
        f"{memory.second[array]}[{number}] = {own.new}",
        f"for i in range({first}, {last}):",
        *indented([*noise, *store]),
    ]
