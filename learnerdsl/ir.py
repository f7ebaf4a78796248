"""The compiler's view of a rule: blocks of statements over SymPy expressions, all frozen.

A Kernel is a sequence of blocks. A block of domain MODEL runs once for each group of parameters, of
domain TENSOR once for each tensor, of domain ELEMENT once for each element: it is one pass over
memory. `str(kernel)` is readable, and every pass of the compiler gives a new Kernel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Literal

import sympy

from learnerdsl.errors import InternalError
from learnerdsl.expr import Draw

ReductionKind = Literal["sum", "max"]


def as_expr(node: sympy.Basic) -> sympy.Expr:
    """`node`, which is an expression and not a condition."""
    if not isinstance(node, sympy.Expr):
        msg = f"{node} is no expression"
        raise InternalError(msg)
    return node


def rebuild(node: Any, arguments: Sequence[sympy.Basic]) -> sympy.Basic:
    """`node` with other arguments, as they are: SymPy does not simplify it anew."""
    func: Any = node.func
    if isinstance(node, sympy.Expr) and not isinstance(node, Draw):
        return func(*arguments, evaluate=False)
    return func(*arguments)


class Domain(IntEnum):
    """What a value ranges over; the domain of an expression is the widest of its symbols'.

    Rows and columns (factored states) would lie between TENSOR and ELEMENT.
    """

    MODEL = 0
    TENSOR = 1
    ELEMENT = 3


@dataclass(frozen=True)
class Load:
    """`symbol` is read from the array of `array`, whose memory then holds that value."""

    symbol: sympy.Symbol
    array: sympy.Symbol

    def __str__(self) -> str:
        return f"load {self.symbol} from {self.array}"


@dataclass(frozen=True)
class Compute:
    """`symbol` is `expression`.

    Attributes:
        note: where it comes from, for the comment in the generated code.
        rounded: a scalar that is rounded to the parameter's dtype.
        hoisted: a coefficient that the compiler moved out of a loop.
    """

    symbol: sympy.Symbol
    expression: sympy.Expr
    note: str = ""
    rounded: bool = False
    hoisted: bool = False

    def __str__(self) -> str:
        return f"{self.symbol} = {self.expression}"


@dataclass(frozen=True)
class Reduce:
    """`symbol` is the sum or maximum of `expression` over a tensor or the model: a barrier."""

    symbol: sympy.Symbol
    kind: ReductionKind
    over: str
    expression: sympy.Expr
    block: int = 0

    def __str__(self) -> str:
        return f"{self.symbol} = {self.kind} over {self.over} of {self.expression}"


@dataclass(frozen=True)
class Store:
    """The memory of `target` takes the value of `value`."""

    target: sympy.Symbol
    value: sympy.Symbol

    def __str__(self) -> str:
        return f"store {self.value} to {self.target}"


@dataclass(frozen=True)
class Block:
    """Statements that run together: loads, then computations, then reductions, then stores."""

    domain: Domain | None
    loads: tuple[Load, ...] = ()
    computes: tuple[Compute, ...] = ()
    reduces: tuple[Reduce, ...] = ()
    stores: tuple[Store, ...] = ()

    @property
    def arrays(self) -> tuple[sympy.Symbol, ...]:
        """Every array the block touches, read ones first."""
        read = [load.array for load in self.loads]
        return tuple(dict.fromkeys([*read, *(store.target for store in self.stores)]))

    def __str__(self) -> str:
        name = "statement" if self.domain is None else self.domain.name.lower()
        lines = [str(item) for item in (*self.loads, *self.computes, *self.reduces, *self.stores)]
        return "\n".join([f"{name}:", *(f"    {line}" for line in lines)])


@dataclass(frozen=True)
class Kernel:
    """A rule on its way to a program.

    Attributes:
        name: the rule's name.
        parameter: symbol of the parameter.
        gradient: symbol of the gradient.
        hyperparameters: symbols of the runtime scalars.
        extras: symbols of what an update is given beside the gradients.
        states: symbols of the states.
        blocks: in the order in which they run.
        domains: what each symbol ranges over; filled in by the pass `domains`.
    """

    name: str
    parameter: sympy.Symbol
    gradient: sympy.Symbol
    hyperparameters: tuple[sympy.Symbol, ...]
    extras: tuple[sympy.Symbol, ...]
    states: tuple[sympy.Symbol, ...]
    blocks: tuple[Block, ...]
    domains: dict[sympy.Basic, Domain] = field(
        default_factory=dict[sympy.Basic, Domain], repr=False
    )

    @property
    def arrays(self) -> tuple[sympy.Symbol, ...]:
        """The arrays with one value per element, in the order of the address table."""
        others = [s for s in (*self.extras, *self.states) if self.domains.get(s) == Domain.ELEMENT]
        return (self.parameter, self.gradient, *others)

    @property
    def passes(self) -> tuple[Block, ...]:
        """The blocks that go over memory."""
        return tuple(block for block in self.blocks if block.domain == Domain.ELEMENT)

    def domain_of(self, expression: sympy.Basic) -> Domain:
        """The widest domain of the symbols in `expression`."""
        return max((self.domains[s] for s in expression.free_symbols), default=Domain.MODEL)

    def with_blocks(self, blocks: list[Block]) -> "Kernel":
        """The same kernel made of other blocks."""
        return replace(self, blocks=tuple(blocks))

    def __str__(self) -> str:
        return "\n".join(str(block) for block in self.blocks)
