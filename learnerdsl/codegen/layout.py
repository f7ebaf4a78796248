"""Where a kernel finds its values: columns of the address table and slots of the scalar rows.

Every group of parameters has a model row and every tensor a tensor row, both of float64. A row
holds inputs first, then states, then what reductions and scalar blocks write into it.
"""

from dataclasses import dataclass

import sympy

from learnerdsl.expr import CLOCK, StateSymbol, tensor_number, tensor_size
from learnerdsl.ir import Block, Domain, Kernel, Reduce


@dataclass(frozen=True)
class Layout:
    """The tables of a kernel.

    Attributes:
        arrays: columns of the address table: parameter, gradient, extras, then the element states.
        model: slots of a model row.
        tensor: slots of a tensor row.
        reduces: the reductions of all passes, in order; chunk sums have a column for each.
    """

    arrays: tuple[sympy.Symbol, ...]
    model: tuple[sympy.Symbol, ...]
    tensor: tuple[sympy.Symbol, ...]
    reduces: tuple[Reduce, ...]

    @property
    def element_states(self) -> tuple[sympy.Symbol, ...]:
        """The states among the arrays."""
        return tuple(symbol for symbol in self.arrays if isinstance(symbol, StateSymbol))

    def row(self, domain: Domain) -> tuple[sympy.Symbol, ...]:
        """The slots of a row."""
        return self.model if domain == Domain.MODEL else self.tensor


def lay_out(kernel: Kernel) -> Layout:
    """Give every scalar that crosses a block boundary a slot."""
    reduces = tuple(reduce for block in kernel.passes for reduce in block.reduces)
    extras = [s for s in kernel.extras if kernel.domains[s] == Domain.MODEL]
    return Layout(
        arrays=kernel.arrays,
        model=(*CLOCK, *kernel.hyperparameters, *extras, *_row(kernel, Domain.MODEL, reduces)),
        tensor=(tensor_size, tensor_number, *_row(kernel, Domain.TENSOR, reduces)),
        reduces=reduces,
    )


def _row(kernel: Kernel, domain: Domain, reduces: tuple[Reduce, ...]) -> list[sympy.Symbol]:
    states = [s for s in kernel.states if kernel.domains[s] == domain]
    reduced = [r.symbol for r in reduces if kernel.domains[r.symbol] == domain]
    computed = [
        compute.symbol
        for block in kernel.blocks
        for compute in block.computes
        if block.domain == domain and _used_elsewhere(compute.symbol, block, kernel)
    ]
    return [*states, *reduced, *computed]


def _used_elsewhere(symbol: sympy.Symbol, home: Block, kernel: Kernel) -> bool:
    return any(
        symbol in item.expression.free_symbols
        for block in kernel.blocks
        if block is not home
        for item in (*block.computes, *block.reduces)
    ) or any(
        symbol == store.value
        for block in kernel.blocks
        if block is not home
        for store in block.stores
    )
