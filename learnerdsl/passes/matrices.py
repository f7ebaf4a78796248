"""Separate functions of whole matrices from elementwise computations.

The pass assumes typed blocks of one statement each. Afterwards functions of matrices appear only in
blocks of domain MATRIX. Their operands are symbols of matrices, or expressions of one such symbol
and numbers. Computations between two functions of matrices are in such blocks as well, so that a
chain of products needs no sweeps over memory in between. So is what joins a value with the
parameter's shape and a matrix of other sides, such as the norms of its rows.
"""

from dataclasses import replace
from typing import Any

import sympy

from learnerdsl.expr import (
    Draw,
    MatrixFunction,
    MatrixLeaf,
    Named,
    RingState,
    Where,
    brief,
    rebuilt,
)
from learnerdsl.ir import Block, Compute, Domain, Kernel, Rank, as_expr


def separate_matrices(kernel: Kernel) -> Kernel:
    """Return the kernel with functions of matrices in blocks of their own."""
    uses = any(
        _concerns_matrices(item.expression, kernel.domains)
        or kernel.domains[item.symbol].rank == Rank.MATRIX
        for block in kernel.blocks
        for item in (*block.computes, *block.reduces)
    )
    return _Separation(kernel).kernel() if uses else kernel


def _concerns_matrices(expression: Any, domains: dict[Any, Domain]) -> bool:
    """Return whether an expression has functions of matrices, or matrices of other sides."""
    is_one = any(domains[s].rank == Rank.MATRIX for s in expression.free_symbols)
    return is_one or expression.has(MatrixFunction, MatrixLeaf)


class _Separation:
    """The statements of a kernel, and the symbols that replace functions of matrices."""

    def __init__(self, kernel: Kernel) -> None:
        self.source = kernel
        self.domains = dict(kernel.domains)
        self.blocks: list[Block] = []
        self.count = 0
        self.operands: dict[Any, sympy.Symbol] = {}
        self.products: dict[Any, sympy.Symbol] = {}

    def kernel(self) -> Kernel:
        """Return the kernel with the blocks separated."""
        for block in self.source.blocks:
            self.extract(block)
        on_matrices = self.between()
        result: list[Block] = []
        for block in self.blocks:
            if block.computes and block.computes[0].symbol in on_matrices:
                result += self.with_operands(block, on_matrices)
            else:
                result.append(block)
        return replace(self.source, blocks=tuple(result), domains=self.domains)

    def domain_of(self, expression: sympy.Basic) -> Domain:
        """Return the domain of an expression, which may contain new symbols."""
        return replace(self.source, domains=self.domains).domain_of(expression)

    def extract(self, block: Block) -> None:
        """Move each function of matrices in an elementwise expression to a block of its own."""
        if block.domain != Domain.ELEMENT:
            domain = block.domain
            is_matrix = domain is not None and domain.rank == Rank.MATRIX
            self.blocks.append(replace(block, domain=Domain.MATRIX) if is_matrix else block)
        elif block.computes and self.is_whole(block.computes[0].expression):
            self.blocks.append(Block(Domain.MATRIX, computes=block.computes))
            self.blocks.append(Block(Domain.ELEMENT, stores=block.stores))
        else:
            computes = tuple(self.bare(c) for c in block.computes)
            reduces = tuple(self.bare(r) for r in block.reduces)
            self.blocks.append(replace(block, computes=computes, reduces=reduces))

    def bare(self, item: Any) -> Any:
        """Return a statement with symbols for its functions of matrices."""
        return replace(item, expression=self.replaced(item.expression))

    def replaced(self, expression: Any) -> Any:
        """Return `expression` with symbols for its functions of matrices."""
        if not _concerns_matrices(expression, self.domains):
            return expression
        if not self.is_whole(expression):
            return rebuilt(expression, tuple(self.replaced(a) for a in expression.args))
        if expression not in self.products:
            symbol = self.fresh("product", self.domain_of(expression))
            note = f"{symbol} <- {brief(expression)}"
            compute = Compute(symbol, as_expr(expression), note=note)
            self.blocks.append(Block(Domain.MATRIX, computes=(compute,)))
            self.products[expression] = symbol
        return self.products[expression]

    def is_whole(self, expression: Any) -> bool:
        """Return whether only a block on matrices can compute a value.

        That is a function of matrices, a choice between some by a scalar, or what joins a matrix of
        other sides with elements.
        """
        if isinstance(expression, MatrixFunction) or self.joins_matrices(expression):
            return isinstance(expression, sympy.Expr)
        if not isinstance(expression, Where):
            return False
        chosen_by = expression.condition.free_symbols
        is_narrow = all(self.domains[s].rank < Rank.VECTOR for s in chosen_by)
        has_functions = expression.has(MatrixFunction)
        return has_functions and is_narrow and not self.is_bound_to_a_pass(expression)

    def joins_matrices(self, node: Any) -> bool:
        """Return whether an operand of an elementwise operation is a matrix of other sides."""
        if isinstance(node, MatrixFunction):
            return False
        if any(self.domain_of(argument).rank == Rank.MATRIX for argument in node.args):
            return True
        conditions = (a for a in node.args if not isinstance(a, sympy.Expr))
        return any(map(self.joins_matrices, conditions))

    def fresh(self, name: str, domain: Domain) -> sympy.Symbol:
        """Return a new symbol with a number in its name."""
        self.count += 1
        symbol = Named(f"{name}_{self.count}", self.source.name)
        self.domains[symbol] = domain
        return symbol

    def between(self) -> set[sympy.Basic]:
        """Return the symbols to compute on whole matrices.

        They are the functions of matrices and the values between two of these.
        """
        alone = [block for block in self.blocks if block.domain == Domain.MATRIX]
        own: set[sympy.Basic] = {c.symbol for block in alone for c in block.computes}
        after = set(own)
        for block in self.blocks:
            for compute in block.computes:
                if self.passes_on(compute, block) and compute.expression.free_symbols & after:
                    after.add(compute.symbol)
        before: set[sympy.Basic] = set()
        for block in reversed(self.blocks):
            for compute in block.computes:
                if compute.symbol in own or compute.symbol in before:
                    before |= compute.expression.free_symbols
        return self.of_matrices_alone(own | (after & before))

    def of_matrices_alone(self, own: set[sympy.Basic]) -> set[sympy.Basic]:
        """Return `own` and the values that only combine several of them.

        Then one array crosses to the next sweep instead of several.
        """
        found = set(own)
        for block in self.blocks:
            for compute in block.computes:
                symbols = compute.expression.free_symbols
                wide = {s for s in symbols if self.domains[s].rank >= Rank.VECTOR}
                if len(wide) > 1 and wide <= found and self.passes_on(compute, block):
                    found.add(compute.symbol)
        return found

    def passes_on(self, compute: Compute, block: Block) -> bool:
        """Return whether a block on matrices could run an elementwise computation."""
        is_of_elements = self.domains[compute.symbol] == Domain.ELEMENT
        return is_of_elements and not self.is_bound_to_a_pass(compute.expression)

    def is_bound_to_a_pass(self, expression: Any) -> bool:
        """Return whether it uses axis arrays or random numbers, which only sweeps can compute."""
        if isinstance(expression, MatrixFunction):
            return False
        if isinstance(expression, sympy.Symbol):
            return self.domains[expression].rank == Rank.VECTOR
        is_random = isinstance(expression, Draw)
        return is_random or any(self.is_bound_to_a_pass(a) for a in expression.args)

    def with_operands(self, block: Block, on_matrices: set[sympy.Basic]) -> list[Block]:
        """Return the block on matrices, preceded by blocks that compute operands in sweeps."""
        before: list[Block] = []

        def materialised(expression: Any) -> Any:
            if expression in self.operands:
                return self.operands[expression]
            symbol = self.operands[expression] = self.fresh("operand", Domain.ELEMENT)
            compute = Compute(symbol, expression, note=f"{symbol} <- {brief(expression)}")
            before.append(Block(Domain.ELEMENT, computes=(compute,)))
            return symbol

        def operand(expression: Any) -> Any:
            is_vector = expression.is_Symbol and self.domains[expression].rank == Rank.VECTOR
            if isinstance(expression, RingState) or is_vector:
                return materialised(expression)
            if expression.is_Atom:
                return expression
            if not isinstance(expression, sympy.Expr):
                return rebuilt(expression, tuple(operand(a) for a in expression.args))
            is_bound = self.is_bound_to_a_pass(expression)
            if is_bound and self.joins_matrices(expression):
                return rebuilt(expression, tuple(operand(a) for a in expression.args))
            if is_bound:
                expression = self.without_functions(expression, operand, before)
            ready = not expression.has(MatrixFunction) and not (
                expression.free_symbols & on_matrices
            )
            if is_bound or (ready and self.needs_a_pass(expression)):
                return materialised(expression)
            return rebuilt(expression, tuple(operand(a) for a in expression.args))

        computes = tuple(replace(c, expression=operand(c.expression)) for c in block.computes)
        # A sweep stores element states, the last block of matrices stores matrix states.
        stores = Block(block.domain, stores=block.stores)
        return [*before, Block(Domain.MATRIX, computes=computes), stores]

    def without_functions(self, expression: Any, operand: Any, before: list[Block]) -> Any:
        """Return `expression` with symbols for matrix functions; add their blocks to `before`."""
        if isinstance(expression, MatrixFunction):
            symbol = self.fresh("product", self.domain_of(expression))
            note = f"{symbol} <- {brief(expression)}"
            compute = Compute(symbol, operand(expression), note=note)
            before.append(Block(Domain.MATRIX, computes=(compute,)))
            return symbol
        if not expression.has(MatrixFunction):
            return expression
        arguments = (self.without_functions(a, operand, before) for a in expression.args)
        return rebuilt(expression, tuple(arguments))

    def needs_a_pass(self, expression: Any) -> bool:
        """Return whether an operand combines an elementwise value with another array."""
        wide = [s for s in expression.free_symbols if self.domains[s].rank >= Rank.VECTOR]
        if any(self.domains[s].rank == Rank.MATRIX for s in wide):
            return False
        elements = [s for s in wide if self.domains[s] == Domain.ELEMENT]
        return bool(elements) and len(wide) > 1
