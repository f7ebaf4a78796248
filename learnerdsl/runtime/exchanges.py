"""Say what processes have to exchange in an update, if each holds a part of every tensor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from learnerdsl.cards import HasCard, ShownCard, Table
from learnerdsl.cards.content import sections
from learnerdsl.errors import ArrayError
from learnerdsl.expr import AxisSize, Draw
from learnerdsl.ir import Block
from learnerdsl.layout import CHUNK_ROWS, PARTS, Vector
from learnerdsl.pipeline import Program
from learnerdsl.runtime.shards import Shard, first_of
from learnerdsl.storage import BLOCK
from learnerdsl.tracing import treats_elements_alike


@dataclass(frozen=True)
class Exchange:
    """What processes exchange about a sweep.

    Attributes:
        columns: the columns of the partial sums that they join after it.
        vectors: the axis arrays that they join after it.
        read: the axis arrays whose own part it reads.
    """

    columns: tuple[int, ...] = ()
    vectors: tuple[Vector, ...] = ()
    read: tuple[Vector, ...] = ()


def exchanges(program: Program) -> list[Exchange]:
    """Return what processes exchange about the sweep of each level."""
    return [
        _of_sweep(program, level.element) if level.element else Exchange()
        for level in program.kernel.levels
    ]


def _of_sweep(program: Program, sweep: Block) -> Exchange:
    layout = program.layout
    vectors = {vector.symbol: vector for vector in layout.vectors}
    used = _symbols((*sweep.computes, *sweep.reduces))
    return Exchange(
        tuple(layout.reduces.index(r) for r in sweep.reduces if r in layout.reduces),
        tuple(vectors[r.symbol] for r in sweep.reduces if r.symbol in vectors),
        tuple(vector for vector in layout.vectors if vector.symbol in used),
    )


def _symbols(items: Iterable[Any]) -> set[sympy.Basic]:
    return {symbol for item in items for symbol in item.expression.free_symbols}


def needs_others(program: Program) -> bool:
    """Return whether a part of a tensor cannot be updated as if it were a tensor of its own."""
    return program.precision.rounding == "stochastic" or not treats_elements_alike(program.rule)


def _draws(program: Program) -> bool:
    """Return whether a rule draws random numbers, which depend on the place of an element."""
    items = [i for block in program.kernel.blocks for i in (*block.computes, *block.reduces)]
    return any(item.expression.has(Draw) for item in items)


def first_elements(program: Program, shards: Sequence[Shard | None]) -> list[int]:
    """Return the number of the first element of each part in its tensor, as its kernels count.

    It matters for random numbers alone; for other rules, and for rounding noise where parts have
    gaps, it is 0.

    Raises:
        ArrayError: random numbers depend on the place of an element, and a part has gaps.
    """
    draws = _draws(program)
    if not draws and program.precision.rounding != "stochastic":
        return [0] * len(shards)
    found: list[int] = []
    for shard in shards:
        firsts = [first_of(box, shard.shape) for box in shard.boxes] if shard else [0]
        unit = BLOCK if program.precision.has_blocks else 1
        is_possible = not program.layout.row_axes and all(
            first is not None and first % unit == 0 for first in firsts
        )
        if draws and not is_possible:
            msg = (
                f"{program.rule.name} draws random numbers for the elements of a tensor in their "
                "order, so it can update only parts that are runs of whole rows, as FSDP2 makes "
                "them; shard along the first axis."
            )
            raise ArrayError(msg)
        own = firsts[shard.team.number] if shard else 0
        found.append(own if is_possible and own is not None else 0)
    return found


def refuse_local_sizes(program: Program) -> None:
    """Raise if a sweep computes with the length of an axis by its number.

    The slot of that length holds the length of the part, by which loops run.
    """
    for sweep in program.kernel.passes:
        for symbol in _symbols((*sweep.computes, *sweep.reduces)):
            if isinstance(symbol, AxisSize) and symbol.axis >= 0:
                msg = (
                    f"{program.rule.name} computes with the length of axis {symbol.axis} for each "
                    "element, which it cannot if processes hold parts of a tensor; count the axis "
                    "from the last, which is -1."
                )
                raise ArrayError(msg)


def is_local(symbol: Any) -> bool:
    """Return whether the slot of a symbol is about the part: loops and places depend on it."""
    is_length = isinstance(symbol, AxisSize) and symbol.axis >= 0
    return is_length or symbol in (CHUNK_ROWS, PARTS)


def counted_from(
    program: Program, column: int, firsts: Sequence[int], addresses: Sequence[int]
) -> Sequence[int]:
    """Return addresses of arrays as kernels take them.

    They count gradients from the first element of a part, all others from that of the tensor.

    Args:
        program: the program.
        column: column of the arrays in the address table.
        firsts: the number of the first element of each part in its tensor.
        addresses: where the parts are.
    """
    if column <= 1:
        return addresses
    itemsize = program.layout.storages[program.layout.arrays[column]].itemsize
    return [a - itemsize * int(f) for a, f in zip(addresses, firsts, strict=True)]


def refuse_rows(program: Program) -> None:
    """Raise for a gradient of some rows of a tensor that is in parts."""
    msg = (
        f"{program.rule.name} got a sparse gradient of a tensor of which processes hold parts; "
        "pass a dense one."
    )
    raise ArrayError(msg)


_ENDINGS = {"join": "", "gather": " on every process", "collect": ", each matrix on one process"}


@dataclass(frozen=True)
class Collective:
    """An exchange in an update of tensors of which each process holds a part.

    Attributes:
        kind: "join" for reductions whose parts are joined; "collect" for operands of functions of
            matrices, which one process gets whole, and whose results it sends back; "gather" for
            operands that every process gets whole.
        place: the pass before or after which it is, as `plan()` numbers them.
        names: the names of what is exchanged.
    """

    kind: str
    place: int
    names: tuple[str, ...]

    @property
    def is_after(self) -> bool:
        """Whether it is after the pass, not before."""
        return self.kind == "join"

    @property
    def when(self) -> str:
        """The place, as text."""
        return f"{'after' if self.is_after else 'before'} pass {self.place}"

    def __str__(self) -> str:
        return f"{self.when}: {self.kind} {', '.join(self.names)}{_ENDINGS[self.kind]}"


@dataclass(frozen=True)
class Collectives(HasCard):
    """What processes exchange in an update of a rule, in order, if each holds parts of tensors.

    Attributes:
        name: the rule's name.
        exchanges: the exchanges.
        needs_rows: whether the parts must be runs of whole rows, as FSDP2 makes them.
    """

    name: str
    exchanges: tuple[Collective, ...]
    needs_rows: bool

    def card(self) -> ShownCard:
        """Return the exchanges as a table; print it, or write `.html()`."""
        summary, *_ = str(self).splitlines()
        rows = tuple((one.kind, one.when, ", ".join(one.names)) for one in self.exchanges)
        tables = [Table(("exchange", "place", "names"), rows)] if rows else []
        return ShownCard(self.name, "exchanges", summary, sections(("", tables)))

    def __str__(self) -> str:
        count = len(self.exchanges)
        head = f"{self.name}: {count} exchange{'s' * (count > 1)}"
        if not count:
            head = f"{self.name}: no exchange, each process updates its part by itself"
        if self.needs_rows:
            head += "; parts must be runs of rows"
        return "\n".join([head, *(f"  {one}" for one in self.exchanges)])


def collectives(program: Program, is_shared: bool = False) -> Collectives:
    """Return what processes exchange in an update of a rule, if each holds parts of tensors.

    Args:
        program: the compiled rule.
        is_shared: whether every process computes all functions of matrices, though it need not.
    """
    found: list[Collective] = []
    kind = "gather" if is_shared or keeps_matrices(program) else "collect"
    for number, level in enumerate(program.kernel.levels, 1):
        loaded = dict.fromkeys(load.array for load in level.matrix.loads)
        names = tuple(str(array) for array in loaded if array in program.layout.arrays)
        if level.matrix.computes:
            found.append(Collective(kind, number, names))
        if level.element and level.element.reduces:
            reduces = tuple(str(reduce.symbol) for reduce in level.element.reduces)
            found.append(Collective("join", number, reduces))
    return Collectives(program.rule.name, tuple(found), _draws(program))


def keeps_matrices(program: Program) -> bool:
    """Return whether functions of matrices read or write more than parts of tensors.

    Then every process computes them, so that each has the states that are matrices.
    """
    blocks = program.kernel.matrix_blocks
    touched = {load.array for block in blocks for load in block.loads}
    touched |= {store.target for block in blocks for store in block.stores}
    return not touched <= set(program.layout.arrays)
