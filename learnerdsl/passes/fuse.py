"""Merges statements into the fewest passes over memory, and those into the least traffic.

Assumes typed blocks of one statement each. A reduction is a barrier: what needs it runs in a later
pass than what it reduces, so the level of a value is the number of barriers below it, and the
kernel needs as many passes as there are levels. Within that, a state's write may happen in any pass
from the level of its new value on, as long as no later pass still reads the old value; a later pass
that needs the new value reads it back from memory instead of computing it again. The search starts
from the earliest valid passes and moves writes while that saves loads or stores.

Afterwards the blocks alternate: MODEL and TENSOR scalars, ELEMENT pass, scalars, ..., scalars.
Stores of scalar states come last, so that every block sees the old values.
"""

from dataclasses import dataclass
from typing import Any

import sympy

from learnerdsl.errors import InternalError
from learnerdsl.expr import Position
from learnerdsl.ir import Block, Compute, Domain, Kernel, Load, Reduce, Store

Definition = Compute | Reduce
Writes = dict[Any, int]
"""Array -> number of the pass that stores it."""


def fuse(kernel: Kernel) -> Kernel:
    """One block for each pass, and one for the scalars of each domain before and after it."""
    return kernel.with_blocks(_Fusion(kernel).blocks())


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
        for block in kernel.blocks:
            self.order += [*block.computes, *block.reduces]
            self.stores += block.stores
        self.definitions: dict[Any, Definition] = {item.symbol: item for item in self.order}
        self.levels = self.find_levels()
        self.element_stores = [s for s in self.stores if self.is_element(s.target)]
        self.target_of: dict[Any, Any] = {s.value: s.target for s in self.element_stores}
        self.reduces = [item for item in self.order if isinstance(item, Reduce)]
        needed = [self.levels[s.value] for s in self.element_stores]
        self.count = 1 + max([*needed, *(self.input_level(r) for r in self.reduces)])

    def is_element(self, symbol: sympy.Basic) -> bool:
        return self.kernel.domains[symbol] == Domain.ELEMENT

    def find_levels(self) -> dict[Any, int]:
        """Symbol -> number of passes that must have run before it can be computed."""
        levels: dict[Any, int] = {}
        for item in self.order:
            below = max((levels.get(s, 0) for s in item.expression.free_symbols), default=0)
            levels[item.symbol] = below + isinstance(item, Reduce)
        return levels

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
            blocks += self.scalar_blocks(k)
            reduces = tuple(r for r in self.reduces if self.input_level(r) == k)
            stores = tuple(s for s in self.element_stores if writes[s.target] == k)
            blocks.append(Block(Domain.ELEMENT, plan.loads, plan.computes, reduces, stores))
        return blocks + self.scalar_blocks(self.count)

    def scalar_blocks(self, level: int) -> list[Block]:
        """The scalars that can be computed before pass `level`; after the last, their stores."""
        blocks: list[Block] = []
        for domain in (Domain.MODEL, Domain.TENSOR):
            here = [
                item
                for item in self.order
                if isinstance(item, Compute)
                and self.kernel.domains[item.symbol] == domain
                and self.levels[item.symbol] == level
            ]
            stores = [s for s in self.stores if self.kernel.domains[s.target] == domain]
            last = tuple(stores) if level == self.count else ()
            blocks.append(Block(domain, computes=tuple(here), stores=last))
        return blocks

    def choose_writes(self) -> Writes:
        """Array -> the pass that writes it: earliest valid, then moved while that saves traffic."""
        writes = {s.target: self.levels[s.value] for s in self.element_stores}
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
            for load in self.needs(k, writes).loads:
                if load.symbol == load.array and writes.get(load.array, k) < k:
                    writes[load.array] = k
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
            for load in plan.loads:
                if load.symbol == load.array and writes.get(load.array, k) < k:
                    return None
        return passes

    def needs(self, k: int, writes: Writes) -> _Pass:
        """Everything pass `k` has to read and compute for its stores and reductions."""
        roots: list[Any] = [s.value for s in self.element_stores if writes[s.target] == k]
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
            elif target is not None and writes[target] < k:
                loads[symbol] = Load(symbol, target)
            else:
                computed.add(symbol)
                pending += self.definitions[symbol].expression.free_symbols
        arrays = {array: i for i, array in enumerate(self.kernel.arrays)}
        ordered = sorted(loads.values(), key=lambda load: (arrays[load.array], str(load.symbol)))
        kept = (i for i in self.order if isinstance(i, Compute) and i.symbol in computed)
        return _Pass(tuple(ordered), tuple(kept))
