"""Merge statements into the fewest sweeps over memory, with the fewest loads and stores.

The pass assumes typed blocks of one statement each. A reduction is a barrier: a value that uses its
result belongs to a later sweep than the value that it reduces. So the level of a value is the
number of barriers below it, and the kernel needs as many sweeps as there are levels.

A state may be written in any sweep from the level of its new value on, as long as no later sweep
reads the old value. A later sweep that needs the new value loads it from memory instead of
computing it again, unless the store rounded it (a state in bfloat16): all values of an update are
computed from what was in memory before it. So the choice of the sweep that writes each state
decides the traffic.

Functions of matrices read whole matrices from memory, so they are barriers too. An earlier sweep
writes their operands to temporary matrices, and a later sweep reads their results.

What an observer reduces is used by nothing else, so any sweep after its values exist may reduce it:
the one that loads least.

Afterwards the blocks alternate: MODEL and TENSOR scalars, MATRIX functions, ELEMENT sweep, scalars,
..., scalars, functions. Stores of scalars and square matrices come last, so that every block sees
the old values.

In this file the word pass in a name means a sweep.
"""

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import sympy

from learnerdsl.errors import InternalError
from learnerdsl.expr import Named, ObservedState, Position, rebuilt, replaced, symbols_in
from learnerdsl.ir import Block, Compute, Domain, Kernel, Load, Rank, Reduce, Store

Definition = Compute | Reduce
Writes = dict[Any, int]
"""Array -> number of the sweep that stores it."""

_FEW = 256
"""Maximum number of combinations of writes that are compared exhaustively."""

_SCALARS = {Domain.MODEL: (Rank.MODEL,), Domain.TENSOR: (Rank.TENSOR, Rank.VECTOR)}
"""Domain of a block of scalars -> ranks of the values that it computes."""


def fuse(kernel: Kernel) -> Kernel:
    """Return the kernel with one block per sweep, and blocks of scalars and matrices between."""
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
    """Add copies of old values that the last matrix functions read after they are overwritten."""
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
    """Return the block with the keys of `copies` replaced by their copies."""

    def changed(compute: Compute) -> Compute:
        return replace(compute, expression=replaced(compute.expression, copies, rebuilt))

    return replace(block, computes=tuple(map(changed, block.computes)))


@dataclass(frozen=True)
class _Pass:
    """The loads and computations of one sweep."""

    loads: tuple[Load, ...]
    computes: tuple[Compute, ...]


class _Fusion:
    """The dependency graph of a kernel, and the search for the sweep of every store."""

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
        self.observed = self.find_observed()
        self.places: dict[Any, int] = {}
        self.temporaries = self.find_temporaries()
        needed = [self.levels[s.value] for s in self.element_stores]
        needed += [self.levels[s] for s in self.temporaries if s not in self.on_matrices]
        needed += [self.levels[reduce.symbol] - 1 for reduce in self.reduces]
        self.count = 1 + max(needed, default=-1)
        self.levels |= dict.fromkeys(self.find_observations(), self.count)
        self.matrix_blocks = [self.matrix_block(level) for level in range(self.count + 1)]
        self.copies: dict[Any, Any] = {}

    def is_element(self, symbol: sympy.Basic) -> bool:
        """Return whether a symbol has one value per element."""
        return self.kernel.domains[symbol] == Domain.ELEMENT

    def find_levels(self) -> dict[Any, int]:
        """Return symbol -> number of sweeps that must have run before it can be computed."""
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
        """Return whether a matrix function needs this elementwise value written to memory first."""
        is_new = symbol in self.definitions and symbol not in self.on_matrices
        return is_new and self.is_element(symbol)

    def find_temporaries(self) -> dict[Any, sympy.Symbol]:
        """Return symbol -> the array that hands it from a sweep to matrix functions, or back."""
        found: list[Any] = []
        for item in self.order:
            inside = item.symbol in self.on_matrices
            for symbol in sorted(item.expression.free_symbols, key=str):
                crosses = (symbol in self.on_matrices) != inside and self.is_element(symbol)
                if crosses and symbol in self.definitions:
                    found.append(symbol)
        found += [s.value for s in self.element_stores if s.value in self.on_matrices]
        return {s: Named(f"{s.name}_matrix", s.owner) for s in dict.fromkeys(found)}

    def find_observations(self) -> list[Any]:
        """Return the values that observers keep, which nothing uses."""
        return [s.value for s in self.stores if isinstance(s.target, ObservedState)]

    def find_observed(self) -> list[Reduce]:
        """Return the reductions that only observers use."""
        observations = set(self.find_observations())
        others = [item for item in self.order if item.symbol not in observations]
        used = {s for item in others for s in item.expression.free_symbols}
        used |= {s.value for s in self.stores if s.value not in observations}
        own = {s for value in observations for s in self.definitions[value].expression.free_symbols}
        return [r for r in self.reduces if r.symbol in own and r.symbol not in used]

    def input_level(self, reduce: Reduce) -> int:
        """Return the number of the sweep that runs a reduction; -1 if it has no place yet."""
        if reduce in self.observed:
            return self.places.get(reduce.symbol, -1)
        return self.levels[reduce.symbol] - 1

    def place_observed(self, writes: Writes) -> Writes:
        """Choose the sweeps of reductions that only observers use; return the writes.

        The writes stay as they are, unless a sweep that could reduce would find a new value where
        it needs an old one.
        """
        for reduce in self.observed:
            first = self.levels[reduce.symbol] - 1
            costs: dict[int, float] = {}
            for place in range(first, self.count):
                self.places[reduce.symbol] = place
                costs[place] = self.traffic(writes)
            self.places[reduce.symbol] = min(costs, key=costs.__getitem__)
        if self.plan(writes) is None:
            self.places = {r.symbol: self.levels[r.symbol] - 1 for r in self.observed}
            return self.choose_writes()
        return writes

    def blocks(self) -> list[Block]:
        """Return the blocks of all levels, in the order in which they run."""
        writes = self.place_observed(self.choose_writes())
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
        """Add copies of old scalars that a later one of the last blocks reads.

        A block stores new scalars at its end, so the blocks after it would read those instead.
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
        """Return the arrays that the last functions of matrices read although they are written."""
        written = {store.target for store in self.element_stores}
        loads = self.matrix_blocks[self.count].loads
        return [load.array for load in loads if load.symbol in written]

    def handed_over(self, k: int) -> list[Any]:
        """Return the values that sweep `k` computes for functions of matrices."""
        return [s for s in self.temporaries if s not in self.on_matrices and self.levels[s] == k]

    def matrix_block(self, level: int) -> Block:
        """Return the matrix functions before sweep `level`; the last block also stores matrices."""
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
        """Return the scalars to compute before sweep `level`; the last blocks also store states."""
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
        """Return array -> the sweep that writes it: least traffic, and the earliest among equals.

        Few combinations are compared exhaustively. If there are many, a greedy search moves one
        write at a time.
        """
        writes = {s.target: self.levels[s.value] for s in self.element_stores}
        choices = [range(level, self.count) for level in writes.values()]
        # The best choice may be reached only by moving two writes together. Say the new m and v are
        # both computed from arrays a and b, and used in the last sweep alone. Moving one write to
        # that sweep loads a and b twice; moving both loads them once. The greedy search below can
        # miss that, so it is only for many combinations: 4 arrays in 4 sweeps have up to 256.
        # `product` starts with the earliest sweeps and `min` returns the first of equals.
        if math.prod(map(len, choices)) <= _FEW:
            every = (dict(zip(writes, places, strict=True)) for places in product(*choices))
            return min(every, key=self.traffic)
        # Both loops end. `delay_one` only moves writes to later sweeps, of which there are `count`.
        # The search accepts a move only if it lowers the traffic, a whole number above 0.
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
        """Move the first write that precedes a read of the old value to the sweep of that read."""
        for k in range(self.count):
            for array in self.read_as_old(k, self.needs(k, writes)):
                if writes.get(array, k) < k:
                    writes[array] = k
                    return
        msg = f"the writes of {self.kernel.name} are invalid for no reason"
        raise InternalError(msg)

    def traffic(self, writes: Writes) -> float:
        """Return the number of loads and stores of all sweeps; infinite if the order is invalid."""
        passes = self.plan(writes)
        if passes is None:
            return float("inf")
        return sum(len(plan.loads) for plan in passes) + len(writes)

    def plan(self, writes: Writes) -> list[_Pass] | None:
        """Return the sweeps for these writes; None if one reads a value that is overwritten."""
        passes = [self.needs(k, writes) for k in range(self.count)]
        for k, plan in enumerate(passes):
            if any(writes.get(array, k) < k for array in self.read_as_old(k, plan)):
                return None
        return passes

    def read_as_old(self, k: int, plan: _Pass) -> list[Any]:
        """Return the arrays whose old value sweep `k` or the matrix functions before it read."""
        # The symbol of an array stands for its value before the update. A load of the new value has
        # another symbol: `load m from m` reads the old value, `load m_new from m` the new one.
        loads = [*self.matrix_blocks[k].loads, *plan.loads]
        return [load.array for load in loads if load.symbol == load.array]

    def needs(self, k: int, writes: Writes) -> _Pass:
        """Return what sweep `k` has to load and compute for its stores and reductions."""
        # Walk from the results down to values that are in memory. Inputs are loaded. A new value is
        # loaded if an earlier sweep wrote it, and computed (again) if not.
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
            elif target is not None and writes[target] < k and target not in self.kernel.rounded:
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
        """Return whether an earlier sweep than `k` wrote a value to a temporary matrix."""
        return symbol in self.temporaries and self.levels[symbol] < k
