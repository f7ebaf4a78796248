"""The compiler's view of a rule: blocks of statements over SymPy expressions, all frozen.

A Kernel is a sequence of blocks. A block of domain MODEL runs once for each group of parameters, of
domain TENSOR once for each tensor (and for each index of some of its axes), of domain MATRIX once
for each tensor on whole matrices, of domain ELEMENT once for each element: it is one pass over
memory. `str(kernel)` is readable, and every pass of the compiler gives a new Kernel.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, ClassVar

import sympy

from learnerdsl.errors import InternalError, RuleError
from learnerdsl.expr import Identity, MatMul, MatrixFunction, Reduction, Transpose
from learnerdsl.monoids import Monoid


def as_expr(node: sympy.Basic) -> sympy.Expr:
    """`node`, which is an expression and not a condition."""
    if not isinstance(node, sympy.Expr):
        msg = f"{node} is no expression"
        raise InternalError(msg)
    return node


class Rank(IntEnum):
    """How wide a domain is."""

    MODEL = 0
    TENSOR = 1
    VECTOR = 2
    ELEMENT = 3
    MATRIX = 4


@dataclass(frozen=True)
class Domain:
    """What a value ranges over; the domain of an expression is the widest of its symbols'.

    Attributes:
        rank: MODEL for one value in all, TENSOR for one for each tensor, VECTOR for one for each
            index of some axes, ELEMENT for one for each element, MATRIX for another matrix.
        axes: the axes of a vector, counted from 0; the sides of a matrix, "rows" or "cols".
    """

    MODEL: ClassVar["Domain"]
    TENSOR: ClassVar["Domain"]
    ELEMENT: ClassVar["Domain"]
    MATRIX: ClassVar["Domain"]
    rank: Rank
    axes: tuple[Any, ...] = ()

    @staticmethod
    def of_axes(axes: Iterable[int], ndim: int | None) -> "Domain":
        """The domain of values for each index of these axes of tensors with `ndim` of them."""
        kept = tuple(sorted(set(axes)))
        if not kept:
            return Domain.TENSOR
        return Domain.ELEMENT if len(kept) == ndim else Domain(Rank.VECTOR, kept)

    @staticmethod
    def of_sides(first: str, second: str) -> "Domain":
        """The domain of matrices with these sides; the parameter has rows by columns."""
        if (first, second) == ("rows", "cols"):
            return Domain.ELEMENT
        return Domain(Rank.MATRIX, (first, second))

    @property
    def sides(self) -> tuple[str, str]:
        """The sides of a matrix."""
        return ("rows", "cols") if self.rank == Rank.ELEMENT else (self.axes[0], self.axes[1])

    def joined(self, other: "Domain", ndim: int | None) -> "Domain | None":
        """The domain of a function of values of this one and another; None if there is none."""
        narrow, wide = sorted((self, other), key=lambda domain: domain.rank)
        if wide.rank == Rank.MATRIX:
            return wide if narrow.rank <= Rank.TENSOR or narrow == wide else None
        if wide.rank == narrow.rank == Rank.VECTOR:
            return Domain.of_axes((*narrow.axes, *wide.axes), ndim)
        return wide

    def __str__(self) -> str:
        name = self.rank.name.lower()
        return f"{name} {self.axes}" if self.axes else name


Domain.MODEL = Domain(Rank.MODEL)
Domain.TENSOR = Domain(Rank.TENSOR)
Domain.ELEMENT = Domain(Rank.ELEMENT)
Domain.MATRIX = Domain(Rank.MATRIX)


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
    """`symbol` is `expression` reduced over a tensor or the model: a barrier."""

    symbol: sympy.Symbol
    monoid: Monoid
    over: str
    expression: sympy.Expr
    block: int = 0

    def __str__(self) -> str:
        return f"{self.symbol} = {self.monoid.name} over {self.over} of {self.expression}"


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
        name = "statement" if self.domain is None else self.domain
        lines = [str(item) for item in (*self.loads, *self.computes, *self.reduces, *self.stores)]
        return "\n".join([f"{name}:", *(f"    {line}" for line in lines)])


@dataclass(frozen=True)
class Level:
    """What runs up to a barrier: scalars, functions of matrices, then one sweep over memory.

    Attributes:
        model: scalars of each group of parameters.
        tensor: scalars of each tensor, and values for each index of some of its axes.
        matrix: functions of whole matrices.
        element: the sweep; None in the last level.
    """

    model: Block
    tensor: Block
    matrix: Block
    element: Block | None


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
        ndim: number of axes of the tensors, where it matters.
        constants: states that keep the value they start with.
        temporaries: matrices that pass from memory passes to matrix blocks, or back.
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
    ndim: int | None = None
    constants: tuple[sympy.Symbol, ...] = ()
    temporaries: tuple[sympy.Symbol, ...] = ()

    @property
    def arrays(self) -> tuple[sympy.Symbol, ...]:
        """The arrays with one value per element, in the order of the address table."""
        others = [s for s in (*self.extras, *self.states) if self.domains.get(s) == Domain.ELEMENT]
        return (self.parameter, self.gradient, *others, *self.temporaries)

    @property
    def passes(self) -> tuple[Block, ...]:
        """The blocks that go over memory."""
        return tuple(block for block in self.blocks if block.domain == Domain.ELEMENT)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The blocks level by level, once the pass `fuse` has put them in that order.

        Raises:
            InternalError: they are in another order.
        """
        found: list[Level] = []
        order = (Domain.MODEL, Domain.TENSOR, Domain.MATRIX, Domain.ELEMENT)
        for start in range(0, len(self.blocks), len(order)):
            own = self.blocks[start : start + len(order)]
            domains = tuple(block.domain for block in own)
            if domains not in (order, order[:-1]):
                msg = f"{self.name} has blocks of {', '.join(map(str, domains))} as a level"
                raise InternalError(msg)
            found.append(Level(*own[:3], element=own[3] if len(own) > 3 else None))
        return tuple(found)

    def domain_of(self, expression: sympy.Basic) -> Domain:
        """What the values of `expression` range over.

        Raises:
            RuleError: it joins matrices of different shapes.
        """
        if isinstance(expression, sympy.Symbol):
            return self.domains[expression]
        if isinstance(expression, Identity):
            return Domain.of_sides(expression.side, expression.side)
        if isinstance(expression, MatrixFunction):
            return self._domain_of_function(expression)
        if isinstance(expression, Reduction):
            return self._domain_of_reduction(expression)
        result = Domain.MODEL
        for argument in expression.args:
            own = self.domain_of(argument)
            joined = result.joined(own, self.ndim)
            if joined is None:
                msg = (
                    f"Rule {self.name} joins a value of {result} and one of {own} element by "
                    f"element in {expression}; their shapes differ. Matrices are multiplied by "
                    "matmul(a, b)."
                )
                raise RuleError(msg)
            result = joined
        return result

    def _domain_of_reduction(self, reduction: Reduction) -> Domain:
        """What is left of the axes of its argument; used where that is a vector."""
        own = self.domain_of(reduction.argument)
        if not reduction.axes:
            return Domain.MODEL if reduction.over == "model" else Domain.TENSOR
        gone = {axis % (self.ndim or 1) for axis in reduction.axes}
        axes = own.axes if own.rank == Rank.VECTOR else range(self.ndim or 0)
        return Domain.of_axes((axis for axis in axes if axis not in gone), self.ndim)

    def _domain_of_function(self, function: MatrixFunction) -> Domain:
        """The sides of a product or another function of matrices."""
        operands = [self.domain_of(argument) for argument in function.args]
        wrong = [
            str(o)
            for o in operands[: 2 if isinstance(function, MatMul) else 1]
            if o.rank < Rank.ELEMENT
        ]
        if wrong:
            msg = f"Rule {self.name} takes {function} of a value of {wrong[0]}, which is no matrix."
            raise RuleError(msg)
        first, second = operands[0].sides
        if isinstance(function, Transpose):
            return Domain.of_sides(second, first)
        if isinstance(function, MatMul):
            if second != operands[1].sides[0]:
                msg = (
                    f"Rule {self.name} multiplies {first} by {second} with "
                    f"{' by '.join(operands[1].sides)} in {function}; transpose one of them."
                )
                raise RuleError(msg)
            return Domain.of_sides(first, operands[1].sides[1])
        if first != second:
            msg = f"Rule {self.name} takes {function} of {first} by {second}; it must be square."
            raise RuleError(msg)
        return operands[0]

    def with_blocks(self, blocks: list[Block]) -> "Kernel":
        """The same kernel made of other blocks."""
        return replace(self, blocks=tuple(blocks))

    def __str__(self) -> str:
        shown = (b for b in self.blocks if b.domain != Domain.MATRIX or b.computes or b.stores)
        return "\n".join(str(block) for block in shown)
