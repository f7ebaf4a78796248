"""Merges statements into the fewest passes over memory, and those into the least traffic.

Assumes typed blocks of one statement each. A reduction is a barrier: what needs it runs in a later
pass than what it reduces, so the level of a value is the number of barriers below it, and the
kernel needs as many passes as there are levels. Within that, a state's write may happen in any pass
from the level of its new value on, as long as no later pass still reads the old value; a later pass
that needs the new value reads it back from memory instead of computing it again. The search starts
from the earliest valid passes and moves writes while that saves loads or stores.

What a function of matrices takes must lie in memory, so it is a barrier too: its operands are
written to temporary matrices by an earlier pass, and what it gives is read by a later one.

Afterwards the blocks alternate: MODEL and TENSOR scalars, MATRIX functions, ELEMENT pass, scalars,
..., scalars, functions. Stores of scalars and square matrices come last, so that every block sees
the old values.
"""

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import sympy

from learnerdsl.errors import InternalError
from learnerdsl.expr import Named, Position, rebuilt, replaced, symbols_in
from learnerdsl.ir import Block, Compute, Domain, Kernel, Load, Rank, Reduce, Store

Definition = Compute | Reduce
Writes = dict[Any, int]
"""Array -> number of the pass that stores it."""

_FEW = 256
"""Most choices that are all compared."""

_SCALARS = {Domain.MODEL: (Rank.MODEL,), Domain.TENSOR: (Rank.TENSOR, Rank.VECTOR)}
"""Domain of a block of scalars -> ranks of what it computes."""


def fuse(kernel: Kernel) -> Kernel:
    """Return one block for each pass, and one for the scalars of each domain around it."""
    fusion = _Fusion(kernel)
    kept = fusion.old_arrays_after_passes()
    if kept:
        kernel = keep_for_matrices(kernel, fusion, kept)
        fusion = _Fusion(kernel)
    blocks = tuple(fusion.blocks())
    temporaries = tuple(fusion.temporaries.values())
    domains = kernel.domains | dict.fromkeys(temporaries, Domain.ELEMENT)
    domains |= {copy: kernel.domains[state] for state, copy in fusion.copies.items()}
    return replace(kernel, blocks=blocks, temporaries=temporaries, domains=domains)


def keep_for_matrices(kernel: Kernel, fusion: "_Fusion", arrays: list[Any]) -> Kernel:
    """Copy old values that functions of matrices read after the pass that overwrites them."""
    copies: dict[Any, Any] = {array: Named(f"{array}_old", kernel.name) for array in arrays}
    domains = kernel.domains | dict.fromkeys(copies.values(), Domain.ELEMENT)
    computes = [Compute(copy, array, note=f"{copy} <- {array}") for array, copy in copies.items()]
    blocks = [Block(Domain.ELEMENT, computes=(compute,)) for compute in computes]
    last = {item.symbol for item in fusion.matrix_blocks[fusion.count].computes}
    for block in kernel.blocks:
        is_last = any(compute.symbol in last for compute in block.computes)
        blocks.append(_reading(block, copies) if is_last else block)
    return replace(kernel, blocks=tuple(blocks), domains=domains)


def _reading(block: Block, copies: dict[Any, Any]) -> Block:
    """Return the block with copies in the place of what they are copies of."""

    def changed(compute: Compute) -> Compute:
        return replace(compute, expression=replaced(compute.expression, copies, rebuilt))

    return replace(block, computes=tuple(map(changed, block.computes)))


@dataclass(frozen=True)
class _Pass:
    """What one pass over memory reads and computes."""

    loads: tuple[Load, ...]
    computes: tuple[Compute, ...]


class _Fusion:
    """The dependency graph of a kernel, and the choice of a pass for every store."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.order: list[Definition] = []
        self.stores: list[Store] = []
        self.on_matrices: set[Any] = set()
        for block in kernel.blocks:
            self.order += [*block.computes, *block.reduces]
            self.stores += block.stores
            if block.domain == Domain.MATRIX:
                self.on_matrices |= {compute.symbol for compute in block.computes}
        self.definitions: dict[Any, Definition] = {item.symbol: item for item in self.order}
        self.levels = self.find_levels()
        self.element_stores = [s for s in self.stores if self.is_element(s.target)]
        self.target_of: dict[Any, Any] = {s.value: s.target for s in self.element_stores}
        self.reduces = [item for item in self.order if isinstance(item, Reduce)]
        self.temporaries = self.find_temporaries()
        needed = [self.levels[s.value] for s in self.element_stores]
        needed += [self.levels[s] for s in self.temporaries if s not in self.on_matrices]
        needed += [self.input_level(reduce) for reduce in self.reduces]
        self.count = 1 + max(needed, default=-1)
        self.matrix_blocks = [self.matrix_block(level) for level in range(self.count + 1)]
        self.copies: dict[Any, Any] = {}

    def is_element(self, symbol: sympy.Basic) -> bool:
        return self.kernel.domains[symbol] == Domain.ELEMENT

    def find_levels(self) -> dict[Any, int]:
        """Symbol -> number of passes that must have run before it can be computed."""
        levels: dict[Any, int] = {}
        for item in self.order:
            symbols = item.expression.free_symbols
            below = max((levels.get(s, 0) for s in symbols), default=0)
            if item.symbol in self.on_matrices:
                operands = [s for s in symbols if self.is_computed_in_a_pass(s)]
                below = max([below, *(levels[s] + 1 for s in operands)])
            levels[item.symbol] = below + isinstance(item, Reduce)
        return levels

    def is_computed_in_a_pass(self, symbol: Any) -> bool:
        """Whether a symbol of elements has to be written to memory to be one of matrices."""
        is_new = symbol in self.definitions and symbol not in self.on_matrices
        return is_new and self.is_element(symbol)

    def find_temporaries(self) -> dict[Any, sympy.Symbol]:
        """Symbol -> the array that hands it from passes to functions of matrices, or back."""
        found: list[Any] = []
        for item in self.order:
            inside = item.symbol in self.on_matrices
            for symbol in sorted(item.expression.free_symbols, key=str):
                crosses = (symbol in self.on_matrices) != inside and self.is_element(symbol)
                if crosses and symbol in self.definitions:
                    found.append(symbol)
        found += [s.value for s in self.element_stores if s.value in self.on_matrices]
        return {s: Named(f"{s.name}_matrix", s.owner) for s in dict.fromkeys(found)}

    def input_level(self, reduce: Reduce) -> int:
        return self.levels[reduce.symbol] - 1

    def blocks(self) -> list[Block]:
        writes = self.choose_writes()
        passes = self.plan(writes)
        if passes is None:
            msg = f"no valid order of passes for {self.kernel.name}"
            raise InternalError(msg)
        blocks: list[Block] = []
        for k, plan in enumerate(passes):
            blocks += [*self.scalar_blocks(k), self.matrix_blocks[k]]
            reduces = tuple(r for r in self.reduces if self.input_level(r) == k)
            stores = tuple(s for s in self.element_stores if writes[s.target] == k)
            stores += tuple(Store(self.temporaries[s], s) for s in self.handed_over(k))
            blocks.append(Block(Domain.ELEMENT, plan.loads, plan.computes, reduces, stores))
        last = [*self.scalar_blocks(self.count), self.matrix_blocks[self.count]]
        return [*blocks, *self.with_old_scalars(last)]

    def with_old_scalars(self, blocks: list[Block]) -> list[Block]:
        """Keep old values of scalars that a later one of the last blocks reads.

        A block stores new scalars at its end, where the blocks behind it would find them.
        """
        result: list[Block] = []
        for place, block in enumerate(blocks):
            read = {
                s for b in blocks[place + 1 :] for c in b.computes for s in symbols_in(c.expression)
            }
            lost = [store.target for store in block.stores if store.target in read]
            is_scalar = block.domain in _SCALARS
            own = {s: Named(f"{s}_old", self.kernel.name) for s in lost if is_scalar}
            kept = tuple(Compute(copy, s) for s, copy in own.items())
            block = _reading(block, self.copies)
            result.append(replace(block, computes=(*block.computes, *kept)))
            self.copies |= own
        return result

    def old_arrays_after_passes(self) -> list[Any]:
        """Return the arrays whose old value the last functions of matrices read."""
        written = {store.target for store in self.element_stores}
        loads = self.matrix_blocks[self.count].loads
        return [load.array for load in loads if load.symbol in written]

    def handed_over(self, k: int) -> list[Any]:
        """What pass `k` computes for functions of matrices."""
        return [s for s in self.temporaries if s not in self.on_matrices and self.levels[s] == k]

    def matrix_block(self, level: int) -> Block:
        """The functions of matrices before pass `level`; after the last, the stores of matrices."""
        here = [i for i in self.order if isinstance(i, Compute) and i.symbol in self.on_matrices]
        here = [item for item in here if self.levels[item.symbol] == level]
        own = {item.symbol for item in here}
        needed = {s for item in here for s in item.expression.free_symbols} - own
        stores = [Store(self.temporaries[s], s) for s in self.temporaries if s in own]
        if level == self.count:
            stores += [s for s in self.stores if self.kernel.domains[s.target].rank == Rank.MATRIX]
            needed |= {s.value for s in stores} - own
        wide: list[Any] = [s for s in needed if self.kernel.domains[s].rank >= Rank.ELEMENT]
        arrays: dict[Any, Any] = {s: self.temporaries.get(s, s) for s in wide}
        loads = tuple(Load(s, arrays[s]) for s in sorted(wide, key=str))
        return Block(Domain.MATRIX, loads, tuple(here), stores=tuple(stores))

    def scalar_blocks(self, level: int) -> list[Block]:
        """The scalars that can be computed before pass `level`; after the last, their stores."""
        blocks: list[Block] = []
        domains = self.kernel.domains
        for domain, ranks in _SCALARS.items():
            here = [
                item
                for item in self.order
                if isinstance(item, Compute)
                and domains[item.symbol].rank in ranks
                and item.symbol not in self.on_matrices
                and self.levels[item.symbol] == level
            ]
            stores = [s for s in self.stores if domains[s.target].rank in ranks]
            last = tuple(stores) if level == self.count else ()
            blocks.append(Block(domain, computes=tuple(here), stores=last))
        return blocks

    def choose_writes(self) -> Writes:
        """Array -> the pass that writes it, with the least traffic and then as early as can be.

        All choices are compared where they are few, else writes are moved while that saves traffic.
        """
        writes = {s.target: self.levels[s.value] for s in self.element_stores}
        choices = [range(level, self.count) for level in writes.values()]
        if math.prod(map(len, choices)) <= _FEW:
            every = (dict(zip(writes, places, strict=True)) for places in product(*choices))
            return min(every, key=self.traffic)
        while self.plan(writes) is None:
            self.delay_one(writes)
        best = self.traffic(writes)
        improved = True
        while improved:
            improved = False
            for target, now in list(writes.items()):
                for later in range(now + 1, self.count):
                    moved = {**writes, target: later}
                    cost = self.traffic(moved)
                    if cost < best:
                        writes, best, improved = moved, cost, True
        return writes

    def delay_one(self, writes: Writes) -> None:
        """Move the first write that a later pass forbids to that pass."""
        for k in range(self.count):
            for array in self.read_as_old(k, self.needs(k, writes)):
                if writes.get(array, k) < k:
                    writes[array] = k
                    return
        msg = f"the writes of {self.kernel.name} are invalid for no reason"
        raise InternalError(msg)

    def traffic(self, writes: Writes) -> float:
        """Loads and stores of all passes together; infinite if the order is invalid."""
        passes = self.plan(writes)
        if passes is None:
            return float("inf")
        return sum(len(plan.loads) for plan in passes) + len(writes)

    def plan(self, writes: Writes) -> list[_Pass] | None:
        """The passes for these writes, or None if a pass needs a value that is overwritten."""
        passes = [self.needs(k, writes) for k in range(self.count)]
        for k, plan in enumerate(passes):
            if any(writes.get(array, k) < k for array in self.read_as_old(k, plan)):
                return None
        return passes

    def read_as_old(self, k: int, plan: _Pass) -> list[Any]:
        """The arrays that pass `k`, or the functions of matrices before it, read as they were."""
        loads = [*self.matrix_blocks[k].loads, *plan.loads]
        return [load.array for load in loads if load.symbol == load.array]

    def needs(self, k: int, writes: Writes) -> _Pass:
        """Everything pass `k` has to read and compute for its stores and reductions."""
        roots: list[Any] = [s.value for s in self.element_stores if writes[s.target] == k]
        roots += self.handed_over(k)
        for reduce in self.reduces:
            if self.input_level(reduce) == k:
                roots += reduce.expression.free_symbols
        loads: dict[Any, Load] = {}
        computed: set[Any] = set()
        pending = roots
        while pending:
            symbol = pending.pop()
            if symbol in loads or symbol in computed or not self.is_element(symbol):
                continue
            if isinstance(symbol, Position):
                continue
            target = self.target_of.get(symbol)
            if symbol not in self.definitions:
                loads[symbol] = Load(symbol, symbol)
            elif symbol in self.on_matrices or self.is_handed_over_before(symbol, k):
                loads[symbol] = Load(symbol, self.temporaries[symbol])
            elif target is not None and writes[target] < k:
                loads[symbol] = Load(symbol, target)
            else:
                computed.add(symbol)
                pending += self.definitions[symbol].expression.free_symbols
        known = (*self.kernel.arrays, *self.temporaries.values())
        arrays = {array: i for i, array in enumerate(known)}
        ordered = sorted(loads.values(), key=lambda load: (arrays[load.array], str(load.symbol)))
        kept = (i for i in self.order if isinstance(i, Compute) and i.symbol in computed)
        return _Pass(tuple(ordered), tuple(kept))

    def is_handed_over_before(self, symbol: Any, k: int) -> bool:
        return symbol in self.temporaries and self.levels[symbol] < k
