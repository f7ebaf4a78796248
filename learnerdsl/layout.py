"""Where a kernel finds its values: columns of the address table and slots of the scalar rows.

Every group of parameters has a model row and every tensor a tensor row, both of float64. A row
holds inputs first, then states, then what reductions and scalar blocks write into it. Values for
each index of some axes, the vectors, have columns behind those of the arrays.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import sympy

from learnerdsl.expr import CLOCK, AxisSize, StateSymbol, TensorScalar, tensor_number, tensor_size
from learnerdsl.ir import Block, Domain, Kernel, Rank, Reduce
from learnerdsl.monoids import SUM, Monoid


@dataclass(frozen=True)
class Vector:
    """An array with one value for each index of some axes.

    Attributes:
        symbol: what it holds.
        axes: the axes, counted from 0.
        is_wide: whether it is of float64, not of the parameter's number type.
        in_parts: whether every chunk has a part of its own, until they are summed.
        outer: those of its axes that chunks go along from first to last, so that a part needs the
            few of their indices that its chunk meets.
        monoid: what joins its parts; its identity is the value of one that no chunk has written.
    """

    symbol: sympy.Symbol
    axes: tuple[int, ...]
    is_wide: bool
    in_parts: bool = False
    outer: tuple[int, ...] = ()
    monoid: Monoid = SUM


def _inner_size(vector: Vector, shape: Sequence[int]) -> int:
    """How many values a vector has for an index of its outer axes."""
    return math.prod(shape[axis] for axis in vector.axes if axis not in vector.outer)


PART_SHARE = 8
"""Elements of a chunk for each value of its part of a sum, at least."""

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
        row_axes: the axes of a row, the last ones that all vectors of passes have together or not
            at all, where a pass goes by rows; none elsewhere.
    """

    arrays: tuple[sympy.Symbol, ...]
    model: tuple[sympy.Symbol, ...]
    tensor: tuple[sympy.Symbol, ...]
    reduces: tuple[Reduce, ...]
    vectors: tuple[Vector, ...]
    row_axes: tuple[int, ...]

    @property
    def leading(self) -> tuple[int, ...]:
        """The axes that number the rows."""
        return tuple(range(self.row_axes[0])) if self.row_axes else ()

    def length_of_part(self, vector: Vector, shape: Sequence[int], chunk_rows: int) -> int:
        """How many values a part has, for a tensor of this shape."""
        inner = math.prod(shape[axis] for axis in self.leading if axis not in vector.outer)
        most = ((chunk_rows - 1) // max(1, inner) + 2) * _inner_size(vector, shape)
        return min(math.prod(shape[axis] for axis in vector.axes), most)

    def rows_for_parts(self, shape: Sequence[int]) -> int:
        """How many rows a chunk needs so that the parts are a small part of the tensor."""
        width = max(1, math.prod(shape[axis] for axis in self.row_axes))
        sizes = [_inner_size(vector, shape) for vector in self.vectors if vector.in_parts]
        return max(-(-PART_SHARE * size // width) for size in sizes)

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


def is_structured(block: Block, kernel: Kernel) -> bool:
    """Whether a pass goes row by row, as it meets values of some axes only."""
    symbols = {r.symbol for r in block.reduces}
    for item in (*block.computes, *block.reduces):
        symbols |= item.expression.free_symbols
    return any(kernel.domains[symbol].rank == Rank.VECTOR for symbol in symbols)


def lay_out(kernel: Kernel) -> Layout:
    """Give every scalar that crosses a block boundary a slot."""
    every = tuple(reduce for block in kernel.passes for reduce in block.reduces)
    reduces = tuple(r for r in every if kernel.domains[r.symbol].rank < Rank.VECTOR)
    row_axes = _row_axes(kernel)
    vectors = tuple(_vectors(kernel, every, row_axes))
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
        row_axes=row_axes,
    )


def _row_axes(kernel: Kernel) -> tuple[int, ...]:
    """As many of the last axes as can be gone along in one loop."""
    if not any(is_structured(block, kernel) for block in kernel.passes):
        return ()
    items = [item for block in kernel.passes for item in (*block.computes, *block.reduces)]
    symbols = {s for item in items for s in (item.symbol, *item.expression.free_symbols)}
    domains = [kernel.domains[symbol] for symbol in symbols]
    vectors = [set(domain.axes) for domain in domains if domain.rank == Rank.VECTOR]
    first = last = (kernel.ndim or 1) - 1
    while first and all((first - 1 in axes) == (last in axes) for axes in vectors):
        first -= 1
    return tuple(range(first, last + 1))


def _vectors(
    kernel: Kernel, reduces: tuple[Reduce, ...], row_axes: tuple[int, ...]
) -> Iterator[Vector]:
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
            leading = tuple(range(row_axes[0]))
            outer = tuple(takewhile(axes.__contains__, leading))
            yield Vector(reduce.symbol, axes, True, axes != leading, outer, reduce.monoid)
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
