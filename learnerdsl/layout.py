"""The tables of a kernel: columns of the address table and slots of the scalar rows.

Every group of parameters has a model row and every tensor has a tensor row, both in float64. A row
holds inputs, then states, then the results of reductions and of scalar blocks. The address table
has a row of addresses for each tensor: first the arrays with one value per element, then the axis
arrays (one value for each index of some axes).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import sympy

from learnerdsl.expr import (
    CLOCK,
    AxisExtra,
    AxisSize,
    StateSymbol,
    TensorScalar,
    tensor_number,
    tensor_size,
)
from learnerdsl.ir import Block, Domain, Kernel, Rank, Reduce
from learnerdsl.monoids import SUM, Monoid
from learnerdsl.storage import (
    PARAMETER_REST,
    SCALE,
    STORAGES,
    Precision,
    Storage,
    blocks_of,
    memory_dtype,
)


@dataclass(frozen=True)
class Vector:
    """An axis array: one value for each index of some axes.

    If it is a reduction to which several chunks contribute, its memory is

        values | part 0 | part 1 | part 2 | ...

    where chunk k writes its partial results to part k. (On CUDA a chunk has several parts, one for
    each group of threads at a time.) They are joined into `values` afterwards, in the order of the
    parts, so that the result does not depend on timing.

    Attributes:
        symbol: symbol of the values.
        axes: the axes, counted from 0.
        is_wide: whether its dtype is float64; otherwise it is the parameter's.
        in_parts: whether every chunk writes a part of its own.
        outer: the leading axes that chunks traverse in order. A chunk touches only a few of their
            indices, so its part stores only those.
        monoid: operation that joins the parts. Its identity element is the value where no chunk
            contributes.
    """

    symbol: sympy.Symbol
    axes: tuple[int, ...]
    is_wide: bool
    in_parts: bool = False
    outer: tuple[int, ...] = ()
    monoid: Monoid = SUM


def _inner_size(vector: Vector, shape: Sequence[int]) -> int:
    """Return the number of values for each index of the outer axes."""
    return math.prod(shape[axis] for axis in vector.axes if axis not in vector.outer)


@dataclass(frozen=True)
class Companion:
    """A second array of an element array.

    Attributes:
        symbol: symbol of the first array.
        role: "scale" for the scales of the blocks of an 8-bit state, "rest" for the bits of a
            master weight that the parameter lacks.
        dtype: its dtype.
        block: number of elements of the first array for each value.
    """

    symbol: sympy.Symbol
    role: str
    dtype: str
    block: int = 1

    @property
    def raw(self) -> str:
        """The dtype of its memory as kernels see it."""
        return STORAGES[self.dtype].raw if self.dtype in STORAGES else self.dtype

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return memory_dtype(self.dtype)

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""
        return np.dtype(self.raw).itemsize

    @property
    def key(self) -> str:
        """The name of the array among the states of a parameter."""
        return PARAMETER_REST if self.role == "rest" else f"{self.symbol}{SCALE}"

    def array_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the array, for a tensor of this shape."""
        return shape if self.block == 1 else (blocks_of(shape),)


PART_SHARE = 8
"""Minimum number of elements in a chunk for each value in its part."""

CHUNK_ROWS = TensorScalar("chunk_rows", integer=True)
PARTS = TensorScalar("parts", integer=True)


@dataclass(frozen=True)
class Layout:
    """The tables of a kernel.

    Attributes:
        arrays: first columns of the address table: parameter, gradient, extras, element states,
            temporaries.
        model: symbols in the slots of a model row.
        tensor: symbols in the slots of a tensor row.
        reduces: the reductions to scalars, of all sweeps in order. The table of partial results per
            chunk has a column for each.
        vectors: the axis arrays; their columns follow those of `arrays`.
        row_axes: the longest run of trailing axes that every axis array either has entirely or
            lacks entirely; one inner loop covers them. Empty if no sweep works row by row.
        companions: the second arrays of narrow arrays; their columns come last.
        storages: the number type of every array.
    """

    arrays: tuple[sympy.Symbol, ...]
    model: tuple[sympy.Symbol, ...]
    tensor: tuple[sympy.Symbol, ...]
    reduces: tuple[Reduce, ...]
    vectors: tuple[Vector, ...]
    row_axes: tuple[int, ...]
    companions: tuple[Companion, ...]
    storages: Mapping[sympy.Basic, Storage]

    def bytes_loaded(self, array: sympy.Symbol) -> float:
        """Return the bytes that a load of an element of an array reads; see `bytes_stored`."""
        own = [c for c in self.companions if c.symbol == array]
        if any(c.role == "rest" and c.dtype == self.storages[array].arithmetic for c in own):
            return own[0].itemsize  # only the whole weight is read
        return self.bytes_stored(array)

    def bytes_stored(self, array: sympy.Symbol) -> float:
        """Return the bytes that a store of an element of an array writes, scales included."""
        own = [c for c in self.companions if c.symbol == array]
        return self.storages[array].itemsize + sum(c.itemsize / c.block for c in own)

    @property
    def state_bytes(self) -> float:
        """Bytes of the element states and of the rests of master weights, per element."""
        rest = sum(c.itemsize for c in self.companions if c.role == "rest")
        return sum(map(self.bytes_stored, self.element_states)) + rest

    @property
    def leading(self) -> tuple[int, ...]:
        """The axes before `row_axes`; their flat index is the number of a row."""
        return tuple(range(self.row_axes[0])) if self.row_axes else ()

    def length_of_part(self, vector: Vector, shape: Sequence[int], chunk_rows: int) -> int:
        """Return the number of values in a part, for a tensor of this shape."""
        # `inner` rows belong to one index of the outer axes. A chunk of n rows may start within
        # such a run, so it touches up to (n - 1) // inner + 2 of these indices.
        inner = math.prod(shape[axis] for axis in self.leading if axis not in vector.outer)
        most = ((chunk_rows - 1) // max(1, inner) + 2) * _inner_size(vector, shape)
        return min(math.prod(shape[axis] for axis in vector.axes), most)

    def rows_for_parts(self, shape: Sequence[int]) -> int:
        """Return how many rows a chunk needs so that its parts are small compared with it."""
        width = max(1, math.prod(shape[axis] for axis in self.row_axes))
        sizes = [_inner_size(vector, shape) for vector in self.vectors if vector.in_parts]
        return max(-(-PART_SHARE * size // width) for size in sizes)

    @property
    def columns(self) -> tuple[sympy.Symbol, ...]:
        """The columns of the address table, without those of `companions`."""
        return (*self.arrays, *(vector.symbol for vector in self.vectors))

    def companion_column(self, array: sympy.Symbol) -> int:
        """Return the column of the second array of an array."""
        owners = [companion.symbol for companion in self.companions]
        return len(self.columns) + owners.index(array)

    @property
    def owned(self) -> tuple[sympy.Symbol, ...]:
        """The arrays of engines: states, and extras over axes that happen to be all axes."""
        return tuple(s for s in self.arrays if isinstance(s, (AxisExtra, StateSymbol)))

    @property
    def element_states(self) -> tuple[sympy.Symbol, ...]:
        """The states among the arrays."""
        return tuple(symbol for symbol in self.arrays if isinstance(symbol, StateSymbol))

    def row(self, domain: Domain) -> tuple[sympy.Symbol, ...]:
        """Return the slots of the model row or of the tensor row."""
        return self.model if domain == Domain.MODEL else self.tensor


def is_structured(block: Block, kernel: Kernel) -> bool:
    """Return whether a sweep works row by row, because it reads or writes axis arrays."""
    symbols = {r.symbol for r in block.reduces}
    for item in (*block.computes, *block.reduces):
        symbols |= item.expression.free_symbols
    return any(kernel.domains[symbol].rank == Rank.VECTOR for symbol in symbols)


def lay_out(kernel: Kernel, precision: Precision) -> Layout:
    """Return the tables: a slot for every scalar that another block uses, a column per array."""
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
            *(s for s in kernel.extras if kernel.domains[s] == Domain.TENSOR),
            *_row(kernel, Domain.TENSOR, reduces),
        ),
        reduces=reduces,
        vectors=vectors,
        row_axes=row_axes,
        companions=tuple(_companions(kernel, precision)),
        storages=_storages(kernel, precision, vectors),
    )


def _storages(
    kernel: Kernel, precision: Precision, vectors: Sequence[Vector]
) -> dict[sympy.Basic, Storage]:
    """Return the number type of every array."""
    own = STORAGES[precision.arithmetic]
    states = {state: precision.state(state.name) for state in kernel.states}
    return {
        **dict.fromkeys((*kernel.arrays, *kernel.extras), own),
        **{v.symbol: STORAGES["float64"] if v.is_wide else own for v in vectors},
        **states,
        kernel.parameter: STORAGES[precision.parameter],
        kernel.gradient: STORAGES[precision.gradient],
    }


def _companions(kernel: Kernel, precision: Precision) -> Iterator[Companion]:
    """Yield the second arrays of the parameter and of the states."""
    if precision.master:
        yield Companion(kernel.parameter, "rest", precision.rest)
    for state in kernel.states:
        if kernel.domains[state] == Domain.ELEMENT and precision.state(state.name).block:
            block = precision.state(state.name).block
            yield Companion(state, "scale", "float32", block)


def _row_axes(kernel: Kernel) -> tuple[int, ...]:
    """Return the trailing axes that one inner loop can cover; see `Layout.row_axes`."""
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
    """Yield the axis arrays: extras, states, reductions over axes, and values from them."""
    domains = kernel.domains
    in_loops = {
        symbol
        for block in kernel.passes
        for item in (*block.computes, *block.reduces)
        for symbol in item.expression.free_symbols
    }
    for given in (*kernel.extras, *kernel.states):
        if domains[given].rank == Rank.VECTOR:
            yield Vector(given, domains[given].axes, is_wide=False)
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
    """Return the symbols of a row that are not inputs: states, reductions, computed values."""
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
    """Return whether a block other than `home` reads or stores a value."""
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
