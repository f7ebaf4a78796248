"""The intermediate representation of a rule: blocks of statements over SymPy expressions.

A Kernel is a sequence of blocks. The domain of a block says how often it runs:

* MODEL: once for each group of parameters.
* TENSOR: once for each tensor; its axis arrays once for each index of their axes.
* MATRIX: once for each tensor, on whole matrices.
* ELEMENT: once for each element. Such a block is one sweep over memory.

All classes are frozen, so every pass of the compiler returns a new Kernel. `str(kernel)` is
readable.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, ClassVar

import sympy

from learnerdsl.errors import InternalError, RuleError
from learnerdsl.expr import (
    PARAMETER_SIDES,
    AxisExtra,
    MatrixFunction,
    MatrixLeaf,
    Misfit,
    NarrowDraw,
    Reduction,
    Sides,
    broadcast,
)
from learnerdsl.monoids import Monoid


def as_expr(node: sympy.Basic) -> sympy.Expr:
    """Return `node`; raise InternalError if it is not an expression, such as a condition."""
    if not isinstance(node, sympy.Expr):
        msg = f"{node} is not an expression"
        raise InternalError(msg)
    return node


class Rank(IntEnum):
    """The width of a domain; VECTOR is that of axis arrays."""

    MODEL = 0
    TENSOR = 1
    VECTOR = 2
    ELEMENT = 3
    MATRIX = 4


@dataclass(frozen=True)
class Domain:
    """The index set of a value; an expression has the widest domain of its symbols.

    Attributes:
        rank: MODEL for one value per group of parameters, TENSOR for one per tensor, VECTOR for one
            per index of some axes (an axis array), ELEMENT for one per element, MATRIX for a matrix
            that does not have the parameter's shape.
        axes: the axes of an axis array, counted from 0; the sides of a matrix.
    """

    MODEL: ClassVar["Domain"]
    TENSOR: ClassVar["Domain"]
    ELEMENT: ClassVar["Domain"]
    MATRIX: ClassVar["Domain"]
    rank: Rank
    axes: tuple[Any, ...] = ()

    @staticmethod
    def of_axes(axes: Iterable[int], ndim: int | None) -> "Domain":
        """Return the domain of one value per index of these axes, for tensors with `ndim` axes."""
        kept = tuple(sorted(set(axes)))
        if not kept:
            return Domain.TENSOR
        return Domain.ELEMENT if len(kept) == ndim else Domain(Rank.VECTOR, kept)

    @staticmethod
    def of_sides(own: Sides) -> "Domain":
        """Return the domain of matrices with these sides; (rows, cols) is the parameter's."""
        return Domain.ELEMENT if own == PARAMETER_SIDES else Domain(Rank.MATRIX, own)

    @property
    def sides(self) -> Sides:
        """The sides of a matrix: ("rows", "cols") for values with the parameter's shape."""
        return PARAMETER_SIDES if self.rank == Rank.ELEMENT else Sides(self.axes)

    def joined(self, other: "Domain", ndim: int | None) -> "Domain | None":
        """Return the domain to which both broadcast; None if they do not."""
        narrow, wide = sorted((self, other), key=lambda domain: domain.rank)
        if wide.rank == Rank.MATRIX:
            if narrow.rank < Rank.ELEMENT:
                return wide if narrow.rank <= Rank.TENSOR else None
            own = broadcast(narrow.sides, wide.sides)
            return None if own is None else Domain.of_sides(own)
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
    """A read: `symbol` is the value that the memory of `array` holds at that time."""

    symbol: sympy.Symbol
    array: sympy.Symbol

    def __str__(self) -> str:
        return f"load {self.symbol} from {self.array}"


@dataclass(frozen=True)
class Compute:
    """A computation: `symbol` takes the value of `expression`.

    Attributes:
        note: comment in the generated code that says where the statement comes from.
        rounded: whether it is a scalar that is rounded to the parameter's dtype.
        hoisted: whether it is a coefficient that the compiler moved out of a loop.
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
    """A reduction: `symbol` is `expression` reduced over `over`.

    It is a barrier: what uses `symbol` runs in a later sweep.

    Attributes:
        over: the range, as in `Reduction.over`.
        block: block length of a sum in the parameter's dtype; 0 for float64.
        by_tensor: whether the expression is a scalar that counts once for each tensor.
    """

    symbol: sympy.Symbol
    monoid: Monoid
    over: str
    expression: sympy.Expr
    block: int = 0
    by_tensor: bool = False

    def __str__(self) -> str:
        over = "tensors" if self.by_tensor else self.over
        return f"{self.symbol} = {self.monoid.name} over {over} of {self.expression}"


@dataclass(frozen=True)
class Store:
    """A write: the memory of `target` takes the value of `value`."""

    target: sympy.Symbol
    value: sympy.Symbol

    def __str__(self) -> str:
        return f"store {self.value} to {self.target}"


@dataclass(frozen=True)
class Block:
    """Statements that run together: loads, then computes, then reduces, then stores.

    The pass `domains` fills in `domain`; it is None before.
    """

    domain: Domain | None
    loads: tuple[Load, ...] = ()
    computes: tuple[Compute, ...] = ()
    reduces: tuple[Reduce, ...] = ()
    stores: tuple[Store, ...] = ()

    @property
    def arrays(self) -> tuple[sympy.Symbol, ...]:
        """Every array that the block reads or writes, reads first."""
        read = [load.array for load in self.loads]
        return tuple(dict.fromkeys([*read, *(store.target for store in self.stores)]))

    def __str__(self) -> str:
        name = "statement" if self.domain is None else self.domain
        lines = [str(item) for item in (*self.loads, *self.computes, *self.reduces, *self.stores)]
        return "\n".join([f"{name}:", *(f"    {line}" for line in lines)])


@dataclass(frozen=True)
class Level:
    """The blocks between two barriers: scalars, functions of matrices, then one sweep over memory.

    Attributes:
        model: block of the scalars of each group of parameters.
        tensor: block of the scalars and axis arrays of each tensor.
        matrix: block of the functions of whole matrices.
        element: the sweep; None in the last level.
    """

    model: Block
    tensor: Block
    matrix: Block
    element: Block | None


@dataclass(frozen=True)
class Kernel:
    """A rule while it is compiled.

    Attributes:
        name: the rule's name.
        parameter: symbol of the parameter.
        gradient: symbol of the gradient.
        hyperparameters: symbols of the hyperparameters.
        extras: symbols of the extra inputs that an update receives besides the gradients.
        states: symbols of the states.
        blocks: the blocks, in the order in which they run.
        domains: symbol -> its domain; filled in by the pass `domains`.
        ndim: number of axes of the tensors; None if the rule does not depend on it.
        constants: states that keep their start value.
        temporaries: arrays of the parameter's shape that hand values from sweeps to matrix blocks,
            or back.
        rounded: arrays whose stores round, so that a new value cannot be loaded back exactly.
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
    rounded: frozenset[sympy.Symbol] = frozenset()

    @property
    def arrays(self) -> tuple[sympy.Symbol, ...]:
        """The arrays with one value per element, in the order of the address table's columns.

        Extras that are arrays of the caller come before those that engines keep copies of.
        """
        extras = sorted(self.extras, key=lambda e: isinstance(e, AxisExtra))
        others = [s for s in (*extras, *self.states) if self.domains.get(s) == Domain.ELEMENT]
        return (self.parameter, self.gradient, *others, *self.temporaries)

    @property
    def passes(self) -> tuple[Block, ...]:
        """The sweeps: the blocks of domain ELEMENT."""
        return tuple(block for block in self.blocks if block.domain == Domain.ELEMENT)

    @property
    def matrix_blocks(self) -> tuple[Block, ...]:
        """The blocks of functions of matrices, one in each level."""
        return tuple(block for block in self.blocks if block.domain == Domain.MATRIX)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The blocks grouped into levels; valid after the pass `fuse`.

        Raises:
            InternalError: the blocks are in another order.
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
        """Return the domain of an expression.

        Raises:
            RuleError: it combines matrices of different shapes, or is a function of a matrix whose
                operand is not a matrix or not square.
        """
        if isinstance(expression, sympy.Symbol):
            return self.domains[expression]
        if isinstance(expression, MatrixLeaf):
            return Domain.of_sides(expression.sides)
        if isinstance(expression, NarrowDraw) and expression.axes:
            return Domain.of_axes(expression.axes, self.ndim)
        if isinstance(expression, MatrixFunction):
            return self._domain_of_function(expression)
        if isinstance(expression, Reduction):
            return self._domain_of_reduction(expression)
        result = Domain.MODEL
        # Matrices last, as they do not meet axis arrays that no element has met before.
        for own in sorted(map(self.domain_of, expression.args), key=lambda own: own.rank):
            joined = result.joined(own, self.ndim)
            if joined is None:
                msg = (
                    f"Rule {self.name} joins a value of {result} and one of {own} element by "
                    f"element in {expression}, but their shapes differ; write matmul(a, b) for a "
                    "matrix product."
                )
                raise RuleError(msg)
            result = joined
        return result

    def _domain_of_reduction(self, reduction: Reduction) -> Domain:
        """Return the domain of a reduction: the axes of its argument that it does not reduce."""
        own = self.domain_of(reduction.argument)
        if not reduction.axes:
            return Domain.MODEL if reduction.over == "model" else Domain.TENSOR
        gone = {axis % (self.ndim or 1) for axis in reduction.axes}
        axes = own.axes if own.rank == Rank.VECTOR else range(self.ndim or 0)
        return Domain.of_axes((axis for axis in axes if axis not in gone), self.ndim)

    def _domain_of_function(self, function: MatrixFunction) -> Domain:
        """Return the domain of a function of matrices; raise RuleError if its operands misfit."""
        operands = [self.domain_of(argument) for argument in function.matrices]
        wrong = [str(o) for o in operands if o.rank < Rank.ELEMENT]
        if wrong:
            msg = (
                f"Rule {self.name} takes {function} of a value of {wrong[0]}, which is not a "
                "matrix; write a value with the parameter's shape."
            )
            raise RuleError(msg)
        others = [self.domain_of(argument) for argument in function.operands]
        if any(other.rank == Rank.VECTOR for other in others):
            msg = (
                f"Rule {self.name} fills a matrix with {function}, a value along axes, which meets "
                "only values with the parameter's shape; write the reduction of a matrix."
            )
            raise RuleError(msg)
        try:
            return Domain.of_sides(function.sides(*(operand.sides for operand in operands)))
        except Misfit as misfit:
            msg = f"Rule {self.name} {misfit}"
            raise RuleError(msg) from None

    def with_blocks(self, blocks: list[Block]) -> "Kernel":
        """Return a copy of the kernel with other blocks."""
        return replace(self, blocks=tuple(blocks))

    def __str__(self) -> str:
        shown = (b for b in self.blocks if b.domain != Domain.MATRIX or b.computes or b.stores)
        return "\n".join(str(block) for block in shown)
