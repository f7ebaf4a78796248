"""Where a kernel finds its values: columns of the address table and slots of the scalar rows.

Every group of parameters has a model row and every tensor a tensor row, both of float64. A row
holds inputs first, then states, then what reductions and scalar blocks write into it. Values for
each index of some axes, the vectors, have columns behind those of the arrays.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import sympy

from learnerdsl.codegen.vectors import is_structured
from learnerdsl.expr import CLOCK, AxisSize, StateSymbol, TensorScalar, tensor_number, tensor_size
from learnerdsl.ir import Block, Domain, Kernel, Rank, Reduce


@dataclass(frozen=True)
class Vector:
    """An array with one value for each index of some axes.

    Attributes:
        symbol: what it holds.
        axes: the axes, counted from 0.
        is_wide: whether it is of float64, not of the parameter's number type.
        in_parts: whether every chunk has one of its own, until they are summed.
        start: the value of one that no chunk has written.
    """

    symbol: sympy.Symbol
    axes: tuple[int, ...]
    is_wide: bool
    in_parts: bool = False
    start: float = 0.0


CHUNK_ROWS = TensorScalar("chunk_rows", integer=True)
PARTS = TensorScalar("parts", integer=True)


@dataclass(frozen=True)
class Layout:
    """The tables of a kernel.

    Attributes:
        arrays: columns of the address table: parameter, gradient, extras, then the element states.
        model: slots of a model row.
        tensor: slots of a tensor row.
        reduces: the reductions to scalars of all passes, in order; chunk sums have a column for
            each.
        vectors: columns of the address table behind those of the arrays.
        by_rows: whether chunks are made of whole rows.
    """

    arrays: tuple[sympy.Symbol, ...]
    model: tuple[sympy.Symbol, ...]
    tensor: tuple[sympy.Symbol, ...]
    reduces: tuple[Reduce, ...]
    vectors: tuple[Vector, ...]
    by_rows: bool

    @property
    def columns(self) -> tuple[sympy.Symbol, ...]:
        """Columns of the address table."""
        return (*self.arrays, *(vector.symbol for vector in self.vectors))

    @property
    def element_states(self) -> tuple[sympy.Symbol, ...]:
        """The states among the arrays."""
        return tuple(symbol for symbol in self.arrays if isinstance(symbol, StateSymbol))

    def row(self, domain: Domain) -> tuple[sympy.Symbol, ...]:
        """The slots of a row."""
        return self.model if domain == Domain.MODEL else self.tensor


def lay_out(kernel: Kernel) -> Layout:
    """Give every scalar that crosses a block boundary a slot."""
    every = tuple(reduce for block in kernel.passes for reduce in block.reduces)
    reduces = tuple(r for r in every if kernel.domains[r.symbol].rank < Rank.VECTOR)
    vectors = tuple(_vectors(kernel, every))
    sizes = sorted((s for s in kernel.domains if isinstance(s, AxisSize)), key=lambda s: s.axis)
    parts = (CHUNK_ROWS, PARTS) if any(vector.in_parts for vector in vectors) else ()
    extras = [s for s in kernel.extras if kernel.domains[s] == Domain.MODEL]
    return Layout(
        arrays=kernel.arrays,
        model=(*CLOCK, *kernel.hyperparameters, *extras, *_row(kernel, Domain.MODEL, reduces)),
        tensor=(
            tensor_size,
            tensor_number,
            *sizes,
            *parts,
            *_row(kernel, Domain.TENSOR, reduces),
        ),
        reduces=reduces,
        vectors=vectors,
        by_rows=any(is_structured(block, kernel) for block in kernel.passes),
    )


def _vectors(kernel: Kernel, reduces: tuple[Reduce, ...]) -> Iterator[Vector]:
    """States, reductions over axes, and what is computed from them."""
    domains = kernel.domains
    in_loops = {
        symbol
        for block in kernel.passes
        for item in (*block.computes, *block.reduces)
        for symbol in item.expression.free_symbols
    }
    for state in kernel.states:
        if domains[state].rank == Rank.VECTOR:
            yield Vector(state, domains[state].axes, is_wide=False)
    for reduce in reduces:
        axes = domains[reduce.symbol].axes
        if axes:
            in_parts = axes != tuple(range((kernel.ndim or 1) - 1))
            start = 0.0 if reduce.kind == "sum" else -math.inf
            yield Vector(reduce.symbol, axes, True, in_parts, start)
    for block in kernel.blocks:
        for compute in block.computes:
            if block.domain == Domain.TENSOR and domains[compute.symbol].rank == Rank.VECTOR:
                is_wide = compute.symbol not in in_loops
                yield Vector(compute.symbol, domains[compute.symbol].axes, is_wide)


def _row(kernel: Kernel, domain: Domain, reduces: tuple[Reduce, ...]) -> list[sympy.Symbol]:
    states = [s for s in kernel.states if kernel.domains[s] == domain]
    reduced = [r.symbol for r in reduces if kernel.domains[r.symbol] == domain]
    computed = [
        compute.symbol
        for block in kernel.blocks
        for compute in block.computes
        if block.domain == domain == kernel.domains[compute.symbol]
        and _used_elsewhere(compute.symbol, block, kernel)
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
